//! `pinaivu`: keys, escrow, nodes and receipts from the command line, and the whole product on one
//! machine with `pinaivu up`.
//!
//! This file only dispatches. Every command prints for people by default and one JSON document with
//! `--json`; exit codes are in [`output`].

mod attest;
mod auction;
mod audit;
mod checks;
mod context;
mod coordinator;
mod escrow;
mod guard;
mod key;
mod log;
mod money;
mod network;
mod node;
mod output;
mod receipt;
mod up;
mod witness;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::context::ContextArgs;

/// An OpenAI-compatible marketplace for inference, settled on Solana.
///
/// `pinaivu up` starts everything on this machine: a local chain, a coordinator, two nodes over a real
/// model, and a funded wallet. The other commands then find that network by themselves; for another
/// one, give --url and --rpc, or set PINAIVU_URL and PINAIVU_RPC.
///
/// Exit codes: 0 done; 1 failed; 2 wrong usage; 3 a check did not pass; 4 not found; 5 the coordinator
/// or the chain cannot be reached.
#[derive(Debug, Parser)]
#[command(name = "pinaivu", version, max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    context: ContextArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the whole product on this machine: chain, coordinator, nodes, model, funded wallet.
    Up(up::UpArgs),
    /// API keys: create, list, revoke. Signed by the wallet, no password.
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// The wallet's money: deposit, deposit address, allow, vouchers, status, withdraw.
    #[command(subcommand)]
    Escrow(escrow::EscrowCommand),
    /// Serve models for pay: register, stake, run, status, claim, demand, unstake.
    #[command(subcommand)]
    Node(node::NodeCommand),
    /// Run a coordinator's money: register, bond, guarantee nodes, rotate keys, claim fees.
    Coordinator(coordinator::CoordinatorArgs),
    /// Receipts: show one, or verify it without trusting anyone.
    #[command(subcommand)]
    Receipt(receipt::ReceiptCommand),
    /// Auctions: run one again from the published order book.
    #[command(subcommand)]
    Auction(auction::AuctionCommand),
    /// Re-derive a coordinator's whole public story from its log and the chain.
    ///
    /// Exits with 3 and the first contradiction when something does not fit together.
    Audit(audit::AuditArgs),
    /// Ask a coordinator for fresh evidence about the code it runs, and check it against the chain.
    ///
    /// Exits with 3 when the coordinator is not attested.
    Attest(attest::AttestArgs),
    /// Compute the measurement of an image, as the market's list on chain has it.
    #[command(subcommand)]
    Measure(attest::MeasureCommand),
    /// Follow a coordinator's log and the chain, and cosign heads that extend everything seen before.
    Witness(witness::WitnessArgs),
    /// Run a program and end it when standard input closes (used by `up` for foreign programs).
    #[command(hide = true)]
    Guard(guard::GuardArgs),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let printer = output::Printer::new(arguments.context.json);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return printer.fail(&anyhow::Error::from(error)),
    };
    let result = runtime.block_on(async {
        match arguments.command {
            Command::Up(command) => up::run(&printer, command).await,
            Command::Key(command) => key::run(&printer, &arguments.context, command).await,
            Command::Escrow(command) => escrow::run(&printer, &arguments.context, command).await,
            Command::Node(command) => node::run(&printer, &arguments.context, command).await,
            Command::Coordinator(command) => {
                coordinator::run(&printer, &arguments.context, command).await
            }
            Command::Receipt(command) => receipt::run(&printer, &arguments.context, command).await,
            Command::Auction(command) => auction::run(&printer, &arguments.context, command).await,
            Command::Audit(command) => audit::run(&printer, &arguments.context, command).await,
            Command::Attest(command) => attest::run(&printer, &arguments.context, command).await,
            Command::Measure(command) => attest::measure(&printer, &command),
            Command::Witness(command) => witness::run(&printer, &arguments.context, command).await,
            Command::Guard(command) => guard::run(command).await,
        }
    });
    // A read of standard input that nobody will answer must not keep the process alive.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => printer.fail(&error),
    }
}
