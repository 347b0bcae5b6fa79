//! `pinaivu node`: serve models for pay.

mod demand;
mod stake;

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::Subcommand;
use pinaivu_chain::transaction::opening_slot;
use pinaivu_chain::{Chain, Commitment, Keypair, Node, NodeFilter, Payout, PayoutFilter};
use pinaivu_node_client::command::RunArgs;
use pinaivu_protocol::ids::NodeId;
use pinaivu_protocol::units::Amount;
use serde::Serialize;

use crate::context::ContextArgs;
use crate::money::{Usdc, show};
use crate::network::{Network, ensure_keypair, public, read_keypair};
use crate::output::{Failure, Printer};

/// What to do with nodes. The wallet (--wallet) is the operator: it owns stake and earnings.
#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// Register a node. Its hot key is made when the file is missing.
    Register {
        /// The node's hot key: signs answers, owns nothing, can be rotated.
        #[arg(long, value_name = "FILE", default_value = "node-key.json")]
        key: PathBuf,
    },
    /// Put USDC at stake for a node.
    Stake {
        /// How much, for example 100.
        amount: Usdc,
        /// Which node; needed only when the wallet operates several.
        #[arg(long)]
        node: Option<NodeId>,
    },
    /// Take stake out again, after the market's unbonding delay.
    Unstake(stake::UnstakeArgs),
    /// Give a node another hot key. The old one counts as this node's for old answers only.
    RotateKey {
        /// The new key; made when the file is missing.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// Which node; needed only when the wallet operates several.
        #[arg(long)]
        node: Option<NodeId>,
    },
    /// Stake, earnings and what can be claimed.
    Status {
        /// Which node [default: all of the wallet].
        #[arg(long)]
        node: Option<NodeId>,
    },
    /// Take what has been credited. Nodes also do this by themselves.
    Claim {
        /// Which node [default: all of the wallet].
        #[arg(long)]
        node: Option<NodeId>,
    },
    /// Ask a coordinator's guarantee bond for what it does not credit, with a receipt as proof.
    ///
    /// A running node does this by itself (`[demands]`); by hand it also works with a receipt under a key
    /// that the coordinator has replaced since.
    Demand(demand::DemandArgs),
    /// Serve: connect to coordinators and answer requests from an inference server.
    Run(RunArgs),
}

#[derive(Serialize)]
struct NodeReport {
    #[serde(flatten)]
    node: Node,
    payouts: Vec<PayoutReport>,
}

#[derive(Serialize)]
struct PayoutReport {
    #[serde(flatten)]
    payout: Payout,
    claimable: Amount,
}

/// Carries out one command.
pub(crate) async fn run(
    printer: &Printer,
    context: &ContextArgs,
    command: NodeCommand,
) -> anyhow::Result<()> {
    if let NodeCommand::Run(arguments) = &command {
        let filter =
            pinaivu_node_client::config::log_filter()?.unwrap_or_else(|| "info".to_owned());
        tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::try_new(filter)?)
            .with_ansi(std::io::stderr().is_terminal())
            .with_writer(std::io::stderr)
            .init();
        return Ok(pinaivu_node_client::command::run(arguments).await?);
    }
    let wallet = read_keypair(&context.wallet_path()?)?;
    let network = Network::open_for(context, *printer, &public(&wallet)).await?;
    let operator = Operator { printer: *printer, network: &network, wallet: &wallet };
    match command {
        NodeCommand::Register { key } => {
            let hot = ensure_keypair(&key)?;
            let id = operator.register(&hot).await?;
            printer.result(
                &serde_json::json!({"node": id, "signer": public(&hot), "key": key}),
                format_args!("registered node {id}\nnext: pinaivu node stake --node {id} AMOUNT"),
            );
            Ok(())
        }
        NodeCommand::Stake { amount, node } => {
            let node = operator.one(node).await?;
            operator.stake(node.id, amount.0).await?;
            operator.print(Some(node.id)).await
        }
        NodeCommand::Unstake(arguments) => stake::unstake(&operator, &arguments).await,
        NodeCommand::RotateKey { key, node } => stake::rotate_key(&operator, &key, node).await,
        NodeCommand::Demand(arguments) => demand::run(&operator, &arguments).await,
        NodeCommand::Status { node } => operator.print(node).await,
        NodeCommand::Claim { node } => operator.claim(node).await,
        NodeCommand::Run(_) => Ok(()),
    }
}

/// A wallet that operates nodes.
pub(crate) struct Operator<'a> {
    /// Says what happens.
    pub printer: Printer,
    /// Where.
    pub network: &'a Network,
    /// Who.
    pub wallet: &'a Keypair,
}

impl Operator<'_> {
    /// Registers a node with `hot` as its signer; gives its account.
    pub(crate) async fn register(&self, hot: &Keypair) -> anyhow::Result<NodeId> {
        let operator = public(self.wallet);
        let now = self.network.chain.position(Commitment::Confirmed).await?.time.slot;
        let build = &self.network.instructions;
        let (id, instruction) =
            build.node_register(&operator, &public(hot), &operator, opening_slot(now));
        let what = "registering the node";
        self.network.send(self.printer, what, &[instruction], &[self.wallet, hot]).await?;
        Ok(id)
    }

    /// Adds stake.
    pub(crate) async fn stake(&self, node: NodeId, amount: Amount) -> anyhow::Result<()> {
        let operator = public(self.wallet);
        let instruction = self.network.instructions.node_stake(&node, &operator, amount);
        let what = format!("staking {}", show(amount));
        self.network.send(self.printer, &what, &[instruction], &[self.wallet]).await?;
        Ok(())
    }

    pub(super) async fn nodes(&self, only: Option<NodeId>) -> anyhow::Result<Vec<Node>> {
        let chain = &self.network.chain;
        let nodes = match only {
            Some(id) => {
                let node = chain.node(id, Commitment::Confirmed).await?;
                vec![node.ok_or_else(|| {
                    Failure::not_found(format!("there is no node {id}"), "`pinaivu node status`")
                })?]
            }
            None => {
                let filter = NodeFilter::Operator(public(self.wallet));
                chain.nodes(filter, Commitment::Confirmed).await?
            }
        };
        if nodes.is_empty() {
            return Err(Failure::not_found(
                "the wallet operates no nodes",
                "`pinaivu node register` makes one",
            )
            .into());
        }
        Ok(nodes)
    }

    pub(super) async fn one(&self, id: Option<NodeId>) -> anyhow::Result<Node> {
        let mut nodes = self.nodes(id).await?;
        match (nodes.pop(), nodes.is_empty()) {
            (Some(node), true) => Ok(node),
            _ => {
                Err(Failure::failed("the wallet operates several nodes", "choose with --node")
                    .into())
            }
        }
    }

    async fn payouts(&self, node: NodeId) -> anyhow::Result<Vec<Payout>> {
        let filter = PayoutFilter::Node(node);
        Ok(self.network.chain.payouts(filter, Commitment::Confirmed).await?)
    }

    async fn claim(&self, only: Option<NodeId>) -> anyhow::Result<()> {
        let build = &self.network.instructions;
        let mut total = Amount::ZERO;
        for node in self.nodes(only).await? {
            for payout in self.payouts(node.id).await? {
                let claimable = payout.claimable();
                if claimable == Amount::ZERO {
                    continue;
                }
                let instructions = [
                    build.create_token_account(&public(self.wallet), &node.payout_owner),
                    build.claim(&payout.coordinator, &node.id, &node.payout_owner),
                ];
                let what = format!("claiming {} for node {}", show(claimable), node.id);
                self.network.send(self.printer, &what, &instructions, &[self.wallet]).await?;
                total = total.saturating_add(claimable);
            }
        }
        self.printer.result(
            &serde_json::json!({"claimed": total}),
            format_args!("claimed {}", show(total)),
        );
        Ok(())
    }

    pub(super) async fn print(&self, only: Option<NodeId>) -> anyhow::Result<()> {
        let mut reports = Vec::new();
        for node in self.nodes(only).await? {
            let payouts = self.payouts(node.id).await?;
            let payouts = payouts
                .into_iter()
                .map(|payout| PayoutReport { claimable: payout.claimable(), payout })
                .collect();
            reports.push(NodeReport { node, payouts });
        }
        let text: Vec<String> = reports.iter().map(describe).collect();
        self.printer.result(&reports, text.join("\n"));
        Ok(())
    }
}

fn describe(report: &NodeReport) -> String {
    let node = &report.node;
    let mut text = format!(
        "node    {}\n        signer {}, {} at stake, {:?}",
        node.id,
        node.signer,
        show(node.stake),
        node.status
    );
    if let Some(unbonding) = &node.unbonding {
        text.push_str(&format!(", {} on its way out", show(unbonding.amount)));
    }
    for PayoutReport { payout, claimable } in &report.payouts {
        text.push_str(&format!(
            "\n        {} earned, {} paid, {} to claim from coordinator {}",
            show(payout.credited),
            show(payout.paid),
            show(*claimable),
            payout.coordinator
        ));
        text.push_str(&format!("\n        {} guaranteed by its bond", show(payout.capacity())));
        if let Some(demand) = &payout.demand {
            text.push_str(&format!(", {} demanded in all", show(demand.cumulative)));
        }
    }
    text
}
