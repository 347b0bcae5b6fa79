//! `pinaivu coordinator`: what a coordinator's cold authority does: register, bond, guarantee, rotate.
//!
//! The wallet is the cold authority. Nothing here needs the coordinator's process, and nothing here can
//! touch what users or nodes own.

mod authority;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use pinaivu_chain::{
    Chain, Commitment, Coordinator, CoordinatorChanges, Payout, PayoutFilter, RpcChain,
};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{CoordinatorId, MarketId, NodeId};
use pinaivu_protocol::units::{Amount, Bps};
use serde::Serialize;

use crate::context::ContextArgs;
use crate::money::{Usdc, show};
use crate::network::{
    Network, NetworkInfo, chain_failure, coordinators_of, ensure_keypair, http_client, public,
    read_keypair,
};
use crate::output::{Failure, Printer};
use authority::Authority;

/// What a coordinator's cold authority does. The wallet (--wallet) is that authority.
#[derive(Debug, Args)]
pub(crate) struct CoordinatorArgs {
    /// Which coordinator; needed only when the wallet is the authority of several.
    #[arg(long, global = true, value_name = "ADDRESS")]
    coordinator: Option<CoordinatorId>,
    #[command(subcommand)]
    command: CoordinatorCommand,
}

#[derive(Debug, Subcommand)]
enum CoordinatorCommand {
    /// Register a coordinator in a market. Its hot key is made when the file is missing.
    Register {
        /// The market.
        #[arg(long)]
        market: MarketId,
        /// The hot key: signs receipts and settlements, can be rotated.
        #[arg(long, value_name = "FILE", default_value = "coordinator-key.json")]
        key: PathBuf,
        /// Where nodes dial to: host:port of the tunnel listener.
        #[arg(long)]
        endpoint: String,
        /// Its part of every debit in hundredths of a per cent. Fixed for the life of the account.
        #[arg(long, value_name = "BASIS_POINTS")]
        fee_bps: u16,
    },
    /// Add to the bonds: one guarantees nodes what is not credited, the other is burned for
    /// contradictions.
    Bond {
        /// How much to the guarantee bond.
        #[arg(long, value_name = "USDC")]
        guarantee: Option<Usdc>,
        /// How much to the penalty bond.
        #[arg(long, value_name = "USDC")]
        penalty: Option<Usdc>,
    },
    /// Take bonds out again, each after its delay. Run again then to be paid.
    Unbond {
        /// How much of the guarantee bond; never below what it guarantees.
        #[arg(long, value_name = "USDC")]
        guarantee: Option<Usdc>,
        /// How much of the penalty bond.
        #[arg(long, value_name = "USDC")]
        penalty: Option<Usdc>,
        /// Wait for the delays and take the bonds out.
        #[arg(long)]
        wait: bool,
    },
    /// Let the guarantee bond stand for a node, up to an amount: more at once, less after a delay.
    Guarantee {
        /// The node.
        node: NodeId,
        /// Up to how much; 0 takes the guarantee back.
        amount: Usdc,
    },
    /// Change what the account says about the coordinator.
    Update {
        /// Where nodes dial to.
        #[arg(long)]
        endpoint: Option<String>,
        /// Attestation measurement, 64 hexadecimal digits; must be on the market's list.
        #[arg(long, value_name = "HASH")]
        measurement: Option<Hash32>,
        /// Hash of the attestation evidence, 64 hexadecimal digits.
        #[arg(long, value_name = "HASH")]
        evidence_hash: Option<Hash32>,
    },
    /// Give the coordinator another hot key, at once. Log and totals stay; what the old key signed can
    /// still be held against it.
    RotateKey {
        /// The new key; made when the file is missing.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Close the log and begin an empty one in the next epoch: after the database was restored from a
    /// backup, and before the coordinator is started on it.
    ///
    /// The backup may lack receipts that were signed since. On a new epoch nothing can be signed for their
    /// places again, which would burn the penalty bond. The closed log's last head stays on chain for good,
    /// and what is settled stays settled.
    OpenEpoch,
    /// Take the fees that were earned.
    ClaimFees,
    /// Bonds, guarantees, log, totals.
    Status,
}

/// Carries out one command.
pub(crate) async fn run(
    printer: &Printer,
    context: &ContextArgs,
    arguments: CoordinatorArgs,
) -> anyhow::Result<()> {
    let wallet = read_keypair(&context.wallet_path()?)?;
    let chain = RpcChain::new(&context.rpc()?, context.program());
    if let CoordinatorCommand::Register { market, key, endpoint, fee_bps } = &arguments.command {
        let network = open(context, chain, CoordinatorId([0; 32]), *market).await?;
        let authority = Authority { printer: *printer, network, wallet };
        let hot = ensure_keypair(key)?;
        let id = authority.register(&hot, endpoint, Bps(*fee_bps)).await?;
        printer.result(
            &serde_json::json!({"coordinator": id, "signer": public(&hot), "key": key}),
            format_args!(
                "registered coordinator {id}\nnext: pinaivu coordinator bond --guarantee 100 --penalty 10"
            ),
        );
        return Ok(());
    }
    let own = coordinators_of(&chain, &public(&wallet)).await.map_err(chain_failure)?;
    let found = choose(own, arguments.coordinator)?;
    let network = open(context, chain, found.id, found.market).await?;
    let authority = Authority { printer: *printer, network, wallet };
    match arguments.command {
        CoordinatorCommand::Register { .. } => return Ok(()),
        CoordinatorCommand::Bond { guarantee, penalty } => {
            authority.bond(&found, amount(guarantee), amount(penalty)).await?;
        }
        CoordinatorCommand::Unbond { guarantee, penalty, wait } => {
            authority.unbond(&found, amount(guarantee), amount(penalty), wait).await?;
        }
        CoordinatorCommand::Guarantee { node, amount } => {
            authority.guarantee(&found, node, amount.0).await?;
        }
        CoordinatorCommand::Update { endpoint, measurement, evidence_hash } => {
            let changes = CoordinatorChanges { endpoint, measurement, evidence_hash };
            authority.update(&found, &changes).await?;
        }
        CoordinatorCommand::RotateKey { key } => authority.rotate(&found, &key).await?,
        CoordinatorCommand::OpenEpoch => authority.open_epoch(&found).await?,
        CoordinatorCommand::ClaimFees => authority.claim_fees(&found).await?,
        CoordinatorCommand::Status => {}
    }
    authority.print(found.id).await
}

fn amount(given: Option<Usdc>) -> Amount {
    given.map_or(Amount::ZERO, |given| given.0)
}

fn choose(own: Vec<Coordinator>, which: Option<CoordinatorId>) -> anyhow::Result<Coordinator> {
    let several = own.len() > 1 && which.is_none();
    let mut matching = own.into_iter().filter(|own| which.is_none_or(|which| which == own.id));
    match (matching.next(), several) {
        (Some(found), false) => Ok(found),
        (Some(_), true) => Err(Failure::failed(
            "the wallet is the authority of several coordinators",
            "choose with --coordinator",
        )
        .into()),
        (None, _) => Err(Failure::not_found(
            "the wallet is not the authority of such a coordinator",
            "--wallet names the cold authority's key; `pinaivu coordinator register` makes one",
        )
        .into()),
    }
}

/// The market, without asking any coordinator.
async fn open(
    context: &ContextArgs,
    chain: RpcChain,
    coordinator: CoordinatorId,
    market: MarketId,
) -> anyhow::Result<Network> {
    let info = NetworkInfo { coordinator, market, program: context.program() };
    Network::with(String::new(), http_client()?, info, chain).await
}

#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    coordinator: Coordinator,
    payouts: Vec<Payout>,
}

impl Authority {
    async fn print(&self, id: CoordinatorId) -> anyhow::Result<()> {
        let coordinator = self.network.coordinator_account(id).await?;
        let filter = PayoutFilter::Coordinator(id);
        let payouts = self.network.chain.payouts(filter, Commitment::Confirmed).await;
        let report = Report { coordinator, payouts: payouts.context("payouts")? };
        let text = describe(&report);
        self.printer.result(&report, text);
        Ok(())
    }
}

fn describe(report: &Report) -> String {
    let it = &report.coordinator;
    let mut text = format!(
        "coordinator {}\n  signer    {}, found at {}\n  bonds     {} guarantee ({} of it given), {} penalty\n  \
         log       epoch {}, {} receipts\n  settled   {} debited, {} credited, {} fees ({} paid)",
        it.id,
        it.signer,
        it.endpoint,
        show(it.guarantee_bond),
        show(it.guaranteed),
        show(it.penalty_bond),
        it.log.epoch,
        it.log.size,
        show(it.debited),
        show(it.credited),
        show(it.fees),
        show(it.fees_paid),
    );
    if it.slashed {
        text.push_str("\n  SLASHED   it contradicted itself under its own signature");
    }
    for (what, unbonding) in
        [("guarantee", it.guarantee_unbonding), ("penalty", it.penalty_unbonding)]
    {
        if let Some(unbonding) = unbonding {
            text.push_str(&format!("\n  leaving   {} of the {what} bond", show(unbonding.amount)));
        }
    }
    for payout in &report.payouts {
        text.push_str(&format!(
            "\n  node      {}: {} credited, {} paid, {} guaranteed",
            payout.node,
            show(payout.credited),
            show(payout.paid),
            show(payout.capacity())
        ));
        if let Some(demand) = &payout.demand {
            text.push_str(&format!(", DEMANDS {} in all", show(demand.cumulative)));
        }
    }
    text
}
