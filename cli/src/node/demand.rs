//! Demands by hand: what a coordinator does not credit, out of its guarantee bond.

use anyhow::Context as _;
use clap::Args;
use pinaivu_chain::ed25519::{SignedBytes, verify};
use pinaivu_chain::{Chain, Commitment, Node, Payout};
use pinaivu_log::bundle::Entry;
use pinaivu_protocol::ids::CoordinatorId;
use pinaivu_protocol::units::Amount;

use super::Operator;
use crate::money::show;
use crate::network::{public, wait_for_delay};
use crate::output::Failure;
use crate::receipt::record::record;
use crate::receipt::with_inclusion;

/// Which receipt proves what is owed.
#[derive(Debug, Args)]
pub(crate) struct DemandArgs {
    /// The newest receipt: a request's id, or a file. It counts for everything earned up to it.
    receipt: String,
    /// Wait for the liveness period and take the money.
    #[arg(long)]
    wait: bool,
}

/// Opens a demand, or settles the one that has waited long enough.
pub(super) async fn run(operator: &Operator<'_>, arguments: &DemandArgs) -> anyhow::Result<()> {
    let network = operator.network;
    let document = with_inclusion(network, &arguments.receipt).await?;
    let nodes = operator.nodes(None).await?;
    let own = |entry: &&Entry| nodes.iter().any(|node| node.id == entry.receipt.head.record.node);
    let entry = document
        .entries
        .iter()
        .filter(own)
        .max_by_key(|entry| entry.receipt.head.record.node_cumulative)
        .ok_or_else(|| {
            Failure::failed(
                "none of the receipt's segments was served by a node of this wallet",
                "`pinaivu node status` lists them; --wallet chooses another wallet",
            )
        })?;
    let head = &entry.receipt.head.record;
    let node = nodes.iter().find(|node| node.id == head.node).context("the node was just found")?;
    let mut payout = payout(operator, head.coordinator, node).await?;
    if payout.demand.is_none() {
        let earned = head.node_cumulative.to_amount_floor().unwrap_or(Amount::MAX);
        let owed = earned.saturating_sub(payout.credited.max(payout.paid));
        if owed == Amount::ZERO {
            return Err(Failure::failed(
                format!("the receipt shows {} earned, and that is credited or paid", show(earned)),
                "`pinaivu node claim` takes what is credited",
            )
            .into());
        }
        if payout.capacity() == Amount::ZERO {
            return Err(Failure::failed(
                "the coordinator's bond guarantees nothing (more) for this node",
                "only what is guaranteed can be demanded; serving.within_guarantee avoids the rest",
            )
            .into());
        }
        operator.printer.step(format_args!(
            "{} are overdue, {} of it guaranteed",
            show(owed),
            show(owed.min(payout.capacity()))
        ));
        open(operator, entry).await?;
        payout = self::payout(operator, head.coordinator, node).await?;
    }
    let Some(demand) = &payout.demand else {
        return operator.print(Some(node.id)).await;
    };
    let delay = network.market.liveness;
    if wait_for_delay(network, operator.printer, delay, demand.opened, arguments.wait).await? {
        let build = &network.instructions;
        let instructions = [
            build.create_token_account(&public(operator.wallet), &payout.payout_owner),
            build.demand_settle(&payout),
        ];
        network
            .send(operator.printer, "settling the demand", &instructions, &[operator.wallet])
            .await?;
    }
    operator.print(Some(node.id)).await
}

async fn payout(
    operator: &Operator<'_>,
    coordinator: CoordinatorId,
    node: &Node,
) -> anyhow::Result<Payout> {
    let found = operator.network.chain.payout(coordinator, node.id, Commitment::Confirmed).await?;
    found.ok_or_else(|| {
        Failure::not_found(
            format!("coordinator {coordinator} has no account with this node on chain"),
            "it has credited and guaranteed nothing, so nothing can be demanded",
        )
        .into()
    })
}

/// By the signed head where the coordinator still has the key, else through its log on chain.
async fn open(operator: &Operator<'_>, entry: &Entry) -> anyhow::Result<()> {
    let network = operator.network;
    let build = &network.instructions;
    let payee = public(operator.wallet);
    let signed = &entry.receipt.head;
    let head = &signed.record;
    let signer = network.coordinator_account(head.coordinator).await?.signer;
    let what = "demanding";
    if signed.verify(&signer).is_ok() {
        let proof = SignedBytes::of(signed, signer);
        let check = verify(&[proof]).context("a receipt head fits every transaction")?;
        let demand = build.demand_open(&head.coordinator, &head.node, &payee, 0);
        network.send(operator.printer, what, &[check, demand], &[operator.wallet]).await?;
    } else {
        let at = record(network, operator.printer, operator.wallet, entry).await?;
        let demand = build.demand_open_recorded(&head.coordinator, &head.node, &payee, &at);
        network.send(operator.printer, what, &[demand], &[operator.wallet]).await?;
    }
    Ok(())
}
