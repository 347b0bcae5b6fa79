//! A coordinator's cold authority at work, one transaction a method.

use std::path::Path;

use pinaivu_chain::transaction::opening_slot;
use pinaivu_chain::{
    Chain, Commitment, Coordinator, CoordinatorChanges, CoordinatorProfile, Keypair,
};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{CoordinatorId, NodeId};
use pinaivu_protocol::units::{Amount, Bps};

use crate::money::show;
use crate::network::{Network, ensure_keypair, public, wait_for_delay};
use crate::output::{Failure, Printer};

/// A cold authority in one market.
pub(super) struct Authority {
    /// Says what happens.
    pub printer: Printer,
    /// Where.
    pub network: Network,
    /// Who.
    pub wallet: Keypair,
}

impl Authority {
    async fn send(
        &self,
        what: &str,
        instructions: &[pinaivu_chain::Instruction],
    ) -> anyhow::Result<()> {
        self.network.send(self.printer, what, instructions, &[&self.wallet]).await?;
        Ok(())
    }

    pub(super) async fn register(
        &self,
        hot: &Keypair,
        endpoint: &str,
        fee: Bps,
    ) -> anyhow::Result<CoordinatorId> {
        if fee > self.network.market.fee_cap {
            return Err(Failure::failed(
                format!(
                    "this market allows fees up to {} basis points",
                    self.network.market.fee_cap.0
                ),
                "a lower --fee-bps",
            )
            .into());
        }
        let now = self.network.chain.position(Commitment::Confirmed).await?.time.slot;
        let profile =
            CoordinatorProfile { endpoint: endpoint.to_owned(), fee, measurement: Hash32::ZERO };
        let (id, register) = self.network.instructions.coordinator_register(
            &public(&self.wallet),
            &public(hot),
            opening_slot(now),
            &profile,
        );
        let what = "registering the coordinator";
        self.network.send(self.printer, what, &[register], &[&self.wallet, hot]).await?;
        Ok(id)
    }

    pub(super) async fn bond(
        &self,
        found: &Coordinator,
        guarantee: Amount,
        penalty: Amount,
    ) -> anyhow::Result<()> {
        if guarantee == Amount::ZERO && penalty == Amount::ZERO {
            return Err(Failure::failed("nothing to add", "--guarantee or --penalty USDC").into());
        }
        let build = &self.network.instructions;
        let bond = build.coordinator_bond(&found.id, &public(&self.wallet), guarantee, penalty);
        self.send("adding to the bonds", &[bond]).await
    }

    pub(super) async fn unbond(
        &self,
        found: &Coordinator,
        guarantee: Amount,
        penalty: Amount,
        wait: bool,
    ) -> anyhow::Result<()> {
        let build = &self.network.instructions;
        let who = public(&self.wallet);
        if guarantee > Amount::ZERO || penalty > Amount::ZERO {
            let unbond = build.coordinator_unbond(&found.id, &who, guarantee, penalty);
            self.send("unbonding", &[unbond]).await?;
        }
        let found = self.network.coordinator_account(found.id).await?;
        let market = &self.network.market;
        let waiting = [
            (found.guarantee_unbonding, market.guarantee_delay),
            (found.penalty_unbonding, market.unbond_delay),
        ];
        let mut ready = false;
        for (unbonding, delay) in waiting {
            let Some(unbonding) = unbonding else { continue };
            let start = unbonding.requested;
            ready |= wait_for_delay(&self.network, self.printer, delay, start, wait).await?;
        }
        if !ready {
            return Ok(());
        }
        let instructions = [
            build.create_token_account(&who, &who),
            build.coordinator_unbond_claim(&found.id, &who),
        ];
        self.send("taking bonds out", &instructions).await
    }

    pub(super) async fn guarantee(
        &self,
        found: &Coordinator,
        node: NodeId,
        amount: Amount,
    ) -> anyhow::Result<()> {
        let build = &self.network.instructions;
        let who = public(&self.wallet);
        let payout = self.network.chain.payout(found.id, node, Commitment::Confirmed).await?;
        let mut instructions = Vec::new();
        if payout.is_none() {
            instructions.push(build.payout_open(&found.id, &node, &who));
        }
        let asked_before = payout
            .and_then(|payout| payout.lowering)
            .filter(|lowering| lowering.guarantee == amount);
        instructions.push(match asked_before {
            None => build.guarantee_set(&found.id, &who, &node, amount),
            Some(lowering) => {
                let delay = self.network.market.guarantee_delay;
                let start = lowering.requested;
                if !wait_for_delay(&self.network, self.printer, delay, start, false).await? {
                    return Ok(());
                }
                build.guarantee_lower(&found.id, &node)
            }
        });
        let what = format!("guaranteeing {} for node {node}", show(amount));
        self.send(&what, &instructions).await
    }

    pub(super) async fn update(
        &self,
        found: &Coordinator,
        changes: &CoordinatorChanges,
    ) -> anyhow::Result<()> {
        if *changes == CoordinatorChanges::default() {
            return Err(Failure::failed(
                "nothing to change",
                "--endpoint, --measurement or --evidence-hash",
            )
            .into());
        }
        let build = &self.network.instructions;
        let update = build.coordinator_update(&found.id, &public(&self.wallet), changes);
        self.send("updating the coordinator", &[update]).await
    }

    pub(super) async fn rotate(&self, found: &Coordinator, key: &Path) -> anyhow::Result<()> {
        let hot = ensure_keypair(key)?;
        if public(&hot) == found.signer {
            return Err(Failure::failed(
                format!("{} already is the coordinator's key", found.signer),
                "name a file that does not exist yet, and a new key is made in it",
            )
            .into());
        }
        let rotate = self.network.instructions.coordinator_rotate_signer(
            &found.id,
            &public(&self.wallet),
            &found.signer,
            &public(&hot),
        );
        let what = "giving the coordinator another key";
        self.network.send(self.printer, what, &[rotate], &[&self.wallet, &hot]).await?;
        self.printer.step(format_args!("next: start the coordinator with {}", key.display()));
        Ok(())
    }

    pub(super) async fn open_epoch(&self, found: &Coordinator) -> anyhow::Result<()> {
        let who = public(&self.wallet);
        let open = self.network.instructions.log_epoch_open(&found.id, &who, found.log.epoch);
        let what = format!("closing epoch {} with {} receipts", found.log.epoch, found.log.size);
        self.send(&what, &[open]).await?;
        self.printer.step("next: start the coordinator; it takes the new epoch over by itself");
        Ok(())
    }

    pub(super) async fn claim_fees(&self, found: &Coordinator) -> anyhow::Result<()> {
        if found.fees_paid >= found.fees {
            return Err(Failure::failed(
                "there are no fees to claim",
                "fees come with settlements: `pinaivu coordinator status`",
            )
            .into());
        }
        let build = &self.network.instructions;
        let who = public(&self.wallet);
        let instructions =
            [build.create_token_account(&who, &who), build.fee_claim(&found.id, &who)];
        let what = format!("claiming {}", show(found.fees.saturating_sub(found.fees_paid)));
        self.send(&what, &instructions).await
    }
}
