//! `cargo xtask`: the one door to build, run, test and measure Pinaivu.
//!
//! This file only dispatches: each subcommand is a module with its own arguments and its own `run`.
#![expect(clippy::print_stdout, reason = "a command-line tool's results go to standard output")]

mod app;
mod bench;
mod chaos;
mod conformance;
mod fuzz;
mod lies;
mod program;
mod system;
mod test;
mod tools;
mod up;
mod web_test;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

/// Build, run, test and measure Pinaivu.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Command {
    /// Build the on-chain program and check what is committed of it.
    #[command(subcommand)]
    Program(program::Command),
    /// Measure clearing, the whole path and memory.
    Bench(bench::BenchArgs),
    /// Kill nodes under load and see what is lost.
    Chaos(chaos::ChaosArgs),
    /// Official SDKs and other people's clients, unmodified, against a gateway.
    Conformance(conformance::ConformanceArgs),
    /// Every decoder that meets the outside, under libFuzzer.
    Fuzz(fuzz::FuzzArgs),
    /// Run the audit against a coordinator that lies in every way it can.
    Lies,
    /// Formatting, lints and every test, as CI runs them.
    Test(test::TestArgs),
    /// Run the whole product on this machine.
    Up(up::UpArgs),
    /// The web application's checks, and people's journeys through it in a browser.
    WebTest(web_test::WebTestArgs),
}

fn main() -> ExitCode {
    let result = match Command::parse() {
        Command::Program(command) => program::run(command),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Chaos(arguments) => chaos::run(&arguments),
        Command::Conformance(arguments) => conformance::run_all(&arguments),
        Command::Fuzz(arguments) => fuzz::run(&arguments),
        Command::Lies => lies::run(),
        Command::Test(arguments) => test::run(&arguments),
        Command::Up(arguments) => up::run(arguments),
        Command::WebTest(arguments) => web_test::run_all(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
