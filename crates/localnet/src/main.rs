//! `pinaivu-localnet`: a local Solana cluster with the Pinaivu program, test USDC and a faucet.
//!
//! Thin: reads flags, starts a [`Localnet`], waits for a reason to stop.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use pinaivu_chain::{Delay, MarketParameters};
use pinaivu_localnet::{Localnet, LocalnetOptions, ProgramSource, Ready, default_market};
use pinaivu_protocol::ids::PublicKey;
use pinaivu_protocol::units::{Amount, Bps};
use tokio::signal::unix::{SignalKind, signal};

/// A local Solana cluster with the Pinaivu program, test USDC and a faucet.
///
/// Everything listens on 127.0.0.1 and nothing outside is contacted. Point a wallet, the Solana CLI
/// (`solana config set --url http://127.0.0.1:8899`) or any SDK at the RPC URL.
#[derive(Debug, Parser)]
#[command(version, after_long_help = EXAMPLES)]
struct Arguments {
    /// Port of the JSON-RPC server; 0 picks a free one.
    #[arg(long, default_value_t = 8899, value_name = "PORT")]
    rpc_port: u16,

    /// Port of the WebSocket server; 0 picks a free one. Without it: the port after --rpc-port, where
    /// Solana's tools look for it, or a free one with --rpc-port 0.
    #[arg(long, value_name = "PORT")]
    ws_port: Option<u16>,

    /// Port of the faucet; 0 picks a free one. Without it: the second port after --rpc-port, or a free
    /// one with --rpc-port 0.
    #[arg(long, value_name = "PORT")]
    faucet_port: Option<u16>,

    /// Keep the chain in this directory and go on with what is there.
    ///
    /// One process at a time. A killed process loses at most the last 0.2 seconds, never anything that
    /// was finalized. Without this flag every start is a new chain with a new genesis hash.
    #[arg(long, value_name = "DIR")]
    ledger: Option<PathBuf>,

    /// Deploy this ELF file instead of the program that is built in. A kept chain is upgraded when the
    /// program differs from its own.
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,

    /// Who may upgrade the program and open markets. Without it: the local chain's own, well-known key.
    #[arg(long, value_name = "PUBKEY")]
    upgrade_authority: Option<PublicKey>,

    /// Milliseconds a slot takes. A transaction is confirmed after one slot and finalized after 32.
    #[arg(long, default_value_t = 400, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=60_000))]
    slot_ms: u64,

    /// Once everything answers, write JSON with rpc_url, ws_url, faucet_url, program_id, mint,
    /// genesis_hash, pid and, with --open-market, market. The file appears complete or not at all.
    #[arg(long, value_name = "PATH")]
    ready_file: Option<PathBuf>,

    /// Stop when standard input closes: pass a pipe whose other end dies with its owner.
    #[arg(long)]
    stdin_guard: bool,

    /// Open the test USDC's market unless it is open, with the flags below. Needs the local chain's own
    /// upgrade authority.
    #[arg(long)]
    open_market: bool,

    #[command(flatten)]
    market: MarketArguments,
}

/// What --open-market opens.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Market")]
struct MarketArguments {
    /// Highest fee of a coordinator, in hundredths of a percent.
    #[arg(long, value_name = "BPS", default_value_t = default_market().fee_cap.0)]
    fee_cap_bps: u16,
    /// Slots that reserved money waits before it leaves.
    #[arg(long, value_name = "SLOTS", default_value_t = default_market().exit_delay.slots)]
    exit_delay_slots: u64,
    /// Seconds that reserved money waits before it leaves.
    #[arg(long, value_name = "SECONDS", default_value_t = default_market().exit_delay.seconds)]
    exit_delay_seconds: u64,
    /// Slots that stake waits before it leaves.
    #[arg(long, value_name = "SLOTS", default_value_t = default_market().unbond_delay.slots)]
    unbond_delay_slots: u64,
    /// Seconds that stake waits before it leaves.
    #[arg(long, value_name = "SECONDS", default_value_t = default_market().unbond_delay.seconds)]
    unbond_delay_seconds: u64,
    /// Slots that a demand waits before the guarantee bond pays; fewer than 1,500.
    #[arg(long, value_name = "SLOTS", default_value_t = default_market().liveness.slots)]
    liveness_slots: u64,
    /// Seconds that a demand waits before the guarantee bond pays; fewer than 600.
    #[arg(long, value_name = "SECONDS", default_value_t = default_market().liveness.seconds)]
    liveness_seconds: u64,
    /// Least stake of a node that may serve, in millionths of a USDC.
    #[arg(long, value_name = "AMOUNT", default_value_t = default_market().min_stake.0)]
    min_stake: u64,
    /// Least penalty bond of a coordinator, in millionths of a USDC.
    #[arg(long, value_name = "AMOUNT", default_value_t = default_market().min_bond.0)]
    min_bond: u64,
}

const EXAMPLES: &str = "Examples:
  Start on the usual ports, keep the state, open a market:
    pinaivu-localnet --ledger ~/.local/share/pinaivu/chain --open-market

  Get 2 SOL and 50 test USDC (amounts in whole units, numbers or strings):
    curl 127.0.0.1:8901/faucet -H 'content-type: application/json' \\
      -d '{\"address\": \"YOUR_ADDRESS\", \"sol\": 2, \"usdc\": \"50\"}'

  From a script: free ports, wait for the file, stop by closing the pipe:
    sleep infinity | pinaivu-localnet --rpc-port 0 --slot-ms 50 --stdin-guard --ready-file ready.json

The log goes to standard error; RUST_LOG sets its level (default: warn,pinaivu_localnet=info).";

impl From<&MarketArguments> for MarketParameters {
    fn from(market: &MarketArguments) -> Self {
        let usual = default_market();
        let longest = |one: u64, other: u64, third: u64| one.max(other).max(third);
        Self {
            fee_cap: Bps(market.fee_cap_bps),
            exit_delay: Delay {
                slots: market.exit_delay_slots,
                seconds: market.exit_delay_seconds,
            },
            unbond_delay: Delay {
                slots: market.unbond_delay_slots,
                seconds: market.unbond_delay_seconds,
            },
            liveness: Delay { slots: market.liveness_slots, seconds: market.liveness_seconds },
            guarantee_delay: usual.guarantee_delay,
            governance_delay: Delay {
                slots: longest(
                    market.exit_delay_slots,
                    market.unbond_delay_slots,
                    usual.guarantee_delay.slots,
                ),
                seconds: longest(
                    market.exit_delay_seconds,
                    market.unbond_delay_seconds,
                    usual.guarantee_delay.seconds,
                ),
            },
            min_stake: Amount(market.min_stake),
            min_bond: Amount(market.min_bond),
        }
    }
}

impl Arguments {
    /// `place` ports after the RPC port, or any when that is any.
    fn port_after_rpc(&self, asked: Option<u16>, place: u16) -> u16 {
        asked.unwrap_or(match self.rpc_port {
            0 => 0,
            port => port.checked_add(place).unwrap_or(0),
        })
    }

    fn options(&self) -> LocalnetOptions {
        LocalnetOptions {
            rpc_port: self.rpc_port,
            ws_port: self.port_after_rpc(self.ws_port, 1),
            faucet_port: self.port_after_rpc(self.faucet_port, 2),
            slot_time: Duration::from_millis(self.slot_ms),
            program: self.program.clone().map_or(ProgramSource::Embedded, ProgramSource::File),
            upgrade_authority: self.upgrade_authority,
            ledger: self.ledger.clone(),
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| "warn,pinaivu_localnet=info".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();

    // Listened for from the start, so that no request to stop is lost while the chain comes up.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut localnet =
        Localnet::start(arguments.options()).await.context("the local chain did not start")?;
    let opened = if arguments.open_market {
        localnet.open_market(&(&arguments.market).into()).await.map(Some)
    } else {
        Ok(None)
    };
    let written = opened.and_then(|_| match &arguments.ready_file {
        Some(path) => localnet.ready().write(path),
        None => Ok(()),
    });
    if let Err(error) = written {
        localnet.stop().await;
        return Err(error).context("the local chain was stopped again");
    }
    announce(localnet.ready());

    let mut outcome = Ok(());
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        () = stdin_closed(), if arguments.stdin_guard => {}
        () = localnet.ended() => outcome = Err(anyhow::anyhow!("the local chain ended on its own")),
    }
    tracing::info!("stopping");
    localnet.stop().await;
    if let Some(path) = &arguments.ready_file {
        // Nobody may take it for a running chain; that it is gone already is fine.
        let _ = std::fs::remove_file(path);
    }
    outcome
}

fn announce(ready: &Ready) {
    let Ready { rpc_url, ws_url, faucet_url, program_id, mint, genesis_hash, market, .. } = ready;
    tracing::info!(%rpc_url, %ws_url, %faucet_url, %program_id, %mint, %genesis_hash, "ready");
    if let Some(market) = market {
        tracing::info!(%market, "market open");
    }
}

/// Resolves when standard input has ended.
async fn stdin_closed() {
    // A thread of its own: tokio's standard input cannot be given up while it reads, and would keep the
    // process from ending.
    let (ended, end) = tokio::sync::oneshot::channel();
    let reader = std::thread::Builder::new().name("stdin-guard".to_owned()).spawn(move || {
        let mut stdin = std::io::stdin().lock();
        let _ = std::io::copy(&mut stdin, &mut std::io::sink());
        let _ = ended.send(());
    });
    match reader {
        Ok(_) => {
            let _ = end.await;
        }
        Err(error) => tracing::error!(%error, "cannot watch standard input; stopping"),
    }
}
