//! A wallet's escrow in one market, and what its owner does with it.

use pinaivu_chain::transaction::opening_slot;
use pinaivu_chain::{
    Allowance, AllowanceFilter, Chain, Commitment, Escrow, EscrowFilter, Keypair, Pubkey,
    UnixSeconds,
};
use pinaivu_protocol::ids::{AllowanceId, EscrowId, PublicKey};
use pinaivu_protocol::units::Amount;

use crate::money::show;
use crate::network::{Network, public, wait_for_delay};
use crate::output::{Failure, Printer};

/// A wallet and its escrow in one market.
pub(crate) struct Purse<'a> {
    /// Says what happens.
    pub printer: Printer,
    /// Where.
    pub network: &'a Network,
    /// Whose money.
    pub wallet: &'a Keypair,
}

impl Purse<'_> {
    /// The wallet's escrow in this market, if it has one.
    pub(super) async fn escrow(&self) -> anyhow::Result<Option<Escrow>> {
        let filter = EscrowFilter::Owner(public(self.wallet));
        let escrows = self.network.chain.escrows(filter, Commitment::Confirmed).await?;
        Ok(escrows.into_iter().find(|escrow| escrow.market == self.network.market.id))
    }

    /// The wallet's escrow, and what opens it where there is none yet.
    pub(super) async fn escrow_or_opening(
        &self,
    ) -> anyhow::Result<(EscrowId, Vec<pinaivu_chain::Instruction>)> {
        if let Some(escrow) = self.escrow().await? {
            return Ok((escrow.id, Vec::new()));
        }
        let now = self.network.chain.position(Commitment::Confirmed).await?;
        let build = &self.network.instructions;
        let (id, open) = build.escrow_open(&public(self.wallet), opening_slot(now.time.slot));
        Ok((id, vec![open]))
    }

    /// Moves money into the escrow, opening it first when there is none.
    pub(crate) async fn deposit(&self, amount: Amount) -> anyhow::Result<()> {
        let owner = public(self.wallet);
        let build = &self.network.instructions;
        let (escrow, mut instructions) = self.escrow_or_opening().await?;
        let account = build.token_account(&owner);
        let held = self.network.chain.token_balance(account, Commitment::Confirmed).await?;
        if held < amount {
            return Err(Failure::failed(
                format!("the wallet holds {}, less than {}", show(held), show(amount)),
                format!("send USDC to token account {account} first"),
            )
            .into());
        }
        instructions.push(build.escrow_deposit(&escrow, &owner, amount));
        let what = format!("depositing {}", show(amount));
        self.network.send(self.printer, &what, &instructions, &[self.wallet]).await?;
        Ok(())
    }

    /// Reserves money for the coordinator; gives the allowance. A new one is debited only as far as
    /// vouchers of `voucher_signer` go, when there is one.
    pub(crate) async fn allow(
        &self,
        amount: Amount,
        days: u32,
        voucher_signer: Option<PublicKey>,
    ) -> anyhow::Result<AllowanceId> {
        let owner = public(self.wallet);
        let build = &self.network.instructions;
        let escrow = self.escrow().await?.ok_or_else(|| {
            Failure::failed("the wallet has no escrow", "`pinaivu escrow deposit 5` opens one")
        })?;
        if escrow.free < amount {
            return Err(Failure::failed(
                format!("{} are free, less than {}", show(escrow.free), show(amount)),
                "`pinaivu escrow deposit` more, or allow less",
            )
            .into());
        }
        let now = self.network.chain.position(Commitment::Confirmed).await?.time;
        let expiry = UnixSeconds(now.unix.0.saturating_add(i64::from(days).saturating_mul(86_400)));
        let coordinator = &self.network.info.coordinator;
        let (opening, terms) = (opening_slot(now.slot), (amount, expiry));
        let (id, instruction) = match (self.allowance().await?, voucher_signer) {
            (Some(allowance), signer)
                if signer.is_none() || allowance.vouchers.map(|it| it.signer) == signer =>
            {
                (allowance.id, build.allowance_raise(&allowance, amount, expiry))
            }
            // Whether an allowance needs vouchers is fixed when it is opened: this takes another one.
            (_, Some(signer)) => build.allowance_open_with_vouchers(
                &escrow.id,
                &owner,
                coordinator,
                opening,
                terms,
                &signer,
            ),
            (_, None) => {
                build.allowance_open(&escrow.id, &owner, coordinator, opening, amount, expiry)
            }
        };
        let what = format!("reserving {} for the coordinator", show(amount));
        self.network.send(self.printer, &what, &[instruction], &[self.wallet]).await?;
        Ok(id)
    }

    /// The wallet's newest allowance for this coordinator.
    pub(crate) async fn allowance(&self) -> anyhow::Result<Option<Allowance>> {
        let filter = AllowanceFilter::Owner(public(self.wallet));
        let allowances = self.network.chain.allowances(filter, Commitment::Confirmed).await?;
        Ok(allowances
            .into_iter()
            .filter(|allowance| allowance.coordinator == self.network.info.coordinator)
            .max_by_key(|allowance| allowance.opening_slot))
    }

    /// Takes free money out at once.
    pub(super) async fn withdraw(
        &self,
        amount: Option<Amount>,
        to: Option<Pubkey>,
    ) -> anyhow::Result<()> {
        let owner = public(self.wallet);
        let escrow = self.escrow().await?.ok_or_else(|| {
            Failure::not_found("the wallet has no escrow", "`pinaivu escrow deposit` opens one")
        })?;
        let amount = amount.unwrap_or(escrow.free);
        if amount == Amount::ZERO || amount > escrow.free {
            return Err(Failure::failed(
                format!("{} are free, {} were asked for", show(escrow.free), show(amount)),
                "reserved money leaves with `pinaivu escrow withdraw --reserved`",
            )
            .into());
        }
        let build = &self.network.instructions;
        let (destination, mut instructions) = self.destination(to);
        instructions.push(build.escrow_withdraw(&escrow.id, &owner, &destination, amount));
        let what = format!("withdrawing {}", show(amount));
        self.network.send(self.printer, &what, &instructions, &[self.wallet]).await?;
        Ok(())
    }

    /// Asks for reserved money back, or carries out a release whose delay has passed.
    pub(super) async fn exit(
        &self,
        amount: Option<Amount>,
        to: Option<Pubkey>,
        wait: bool,
    ) -> anyhow::Result<()> {
        let mut allowance = self.allowance().await?.ok_or_else(|| {
            Failure::not_found(
                "nothing is reserved for this coordinator",
                "`pinaivu escrow status`",
            )
        })?;
        let build = &self.network.instructions;
        if allowance.pending_release.is_none() {
            let amount = amount.unwrap_or_else(|| allowance.remaining());
            let (destination, mut instructions) = self.destination(to);
            instructions.push(build.allowance_release(&allowance, amount, Some(destination)));
            let what = format!("asking for {} back", show(amount));
            self.network.send(self.printer, &what, &instructions, &[self.wallet]).await?;
            allowance = self.allowance().await?.unwrap_or(allowance);
        }
        let Some(release) = &allowance.pending_release else { return Ok(()) };
        let delay = self.network.market.exit_delay;
        if wait_for_delay(self.network, self.printer, delay, release.requested, wait).await? {
            let exit = build.allowance_exit(&allowance);
            self.network.send(self.printer, "exiting", &[exit], &[self.wallet]).await?;
        }
        Ok(())
    }

    /// Where money goes, and what makes sure that it can.
    fn destination(&self, to: Option<Pubkey>) -> (Pubkey, Vec<pinaivu_chain::Instruction>) {
        let owner = public(self.wallet);
        match to {
            Some(destination) => (destination, Vec::new()),
            None => {
                let build = &self.network.instructions;
                (build.token_account(&owner), vec![build.create_token_account(&owner, &owner)])
            }
        }
    }
}
