//! Stake on its way out, and another hot key.

use std::path::Path;

use clap::Args;
use pinaivu_chain::{Chain, Commitment};
use pinaivu_protocol::ids::NodeId;

use super::Operator;
use crate::money::{Usdc, show};
use crate::network::{ensure_keypair, public, wait_for_delay};
use crate::output::Failure;

/// How much stake, of which node.
#[derive(Debug, Args)]
pub(crate) struct UnstakeArgs {
    /// How much; all of it when left out. Run again after the delay to be paid.
    amount: Option<Usdc>,
    /// Which node; needed only when the wallet operates several.
    #[arg(long)]
    node: Option<NodeId>,
    /// Wait for the delay and take the stake out.
    #[arg(long)]
    wait: bool,
}

/// Starts to unbond, or takes out what has waited long enough.
pub(super) async fn unstake(
    operator: &Operator<'_>,
    arguments: &UnstakeArgs,
) -> anyhow::Result<()> {
    let network = operator.network;
    let build = &network.instructions;
    let who = public(operator.wallet);
    let mut node = operator.one(arguments.node).await?;
    if node.unbonding.is_none() {
        let amount = arguments.amount.map_or(node.stake, |amount| amount.0);
        if amount.get() == 0 || amount > node.stake {
            return Err(Failure::failed(
                format!("{} are at stake, {} were asked for", show(node.stake), show(amount)),
                "`pinaivu node status` shows what is there",
            )
            .into());
        }
        let unbond = build.node_unbond(&node.id, &who, amount);
        let what = format!("unbonding {}", show(amount));
        network.send(operator.printer, &what, &[unbond], &[operator.wallet]).await?;
        node = operator.one(Some(node.id)).await?;
    }
    if let Some(unbonding) = &node.unbonding {
        let delay = network.market.unbond_delay;
        let start = unbonding.requested;
        if wait_for_delay(network, operator.printer, delay, start, arguments.wait).await? {
            let instructions =
                [build.create_token_account(&who, &who), build.node_unbond_claim(&node.id, &who)];
            let what = format!("taking out {}", show(unbonding.amount));
            network.send(operator.printer, &what, &instructions, &[operator.wallet]).await?;
        }
    }
    operator.print(Some(node.id)).await
}

/// Makes `key` the node's signer.
pub(super) async fn rotate_key(
    operator: &Operator<'_>,
    key: &Path,
    node: Option<NodeId>,
) -> anyhow::Result<()> {
    let network = operator.network;
    let node = operator.one(node).await?;
    let hot = ensure_keypair(key)?;
    let who = public(operator.wallet);
    if public(&hot) == node.signer {
        return Err(Failure::failed(
            format!("{} already is the node's key", node.signer),
            "name a file that does not exist yet, and a new key is made in it",
        )
        .into());
    }
    let rotate =
        network.instructions.node_rotate_signer(&node.id, &who, &node.signer, &public(&hot));
    let what = "giving the node another key";
    network.send(operator.printer, what, &[rotate], &[operator.wallet, &hot]).await?;
    let seen = network.chain.node(node.id, Commitment::Confirmed).await?;
    let signer = seen.map(|node| node.signer);
    operator.printer.result(
        &serde_json::json!({"node": node.id, "signer": signer, "key": key}),
        format_args!(
            "node {} now signs with {}\nnext: set key_file = \"{}\" and start the node again",
            node.id,
            public(&hot),
            key.display()
        ),
    );
    Ok(())
}
