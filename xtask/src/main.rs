//! `cargo xtask`: the one door to build, run, test and measure Pinaivu.
//!
//! This file only dispatches: each subcommand is a module with its own arguments and its own `run`.
#![expect(
    clippy::print_stdout,
    reason = "a command-line tool's results go to standard output"
)]

mod program;

use std::process::ExitCode;

use clap::Parser;

/// Build, run, test and measure Pinaivu.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Command {
    /// Build the on-chain program and check what is committed of it.
    #[command(subcommand)]
    Program(program::Command),
}

fn main() -> ExitCode {
    let result = match Command::parse() {
        Command::Program(command) => program::run(command),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
