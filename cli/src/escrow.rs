//! `pinaivu escrow`: a wallet's money: in, reserved for a coordinator, and out again without anyone's
//! permission.

use std::time::Duration;

use clap::Subcommand;
use pinaivu_chain::transaction::opening_slot;
use pinaivu_chain::{
    Allowance, AllowanceFilter, Chain, Commitment, Escrow, EscrowFilter, Keypair, Pubkey,
    ToAddress, UnixSeconds,
};
use pinaivu_protocol::ids::AllowanceId;
use pinaivu_protocol::units::Amount;
use serde::Serialize;

use crate::context::ContextArgs;
use crate::money::{Usdc, show};
use crate::network::{Network, public, read_keypair};
use crate::output::{Failure, Printer};

/// What to do with the wallet's money.
#[derive(Debug, Subcommand)]
pub(crate) enum EscrowCommand {
    /// Move USDC from the wallet into its escrow (opened on first use).
    Deposit {
        /// How much, for example 5 or 0.25.
        amount: Usdc,
    },
    /// Reserve part of the escrow for the coordinator, until an expiry. Raises an allowance that is
    /// already there.
    Allow {
        /// How much more to reserve.
        amount: Usdc,
        /// For how many days from now.
        #[arg(long, default_value_t = 30)]
        days: u32,
    },
    /// Balances, allowances, and what is on its way out.
    Status,
    /// Take money out: free money at once; with --reserved, money that is reserved for the
    /// coordinator, after the exit delay.
    Withdraw {
        /// How much; everything when left out.
        amount: Option<Usdc>,
        /// Ask for reserved money. Stops spending at once; run again after the delay to be paid.
        #[arg(long)]
        reserved: bool,
        /// Token account to pay to [default: the wallet's own].
        #[arg(long)]
        to: Option<Pubkey>,
        /// With --reserved: wait for the delay and carry the exit out.
        #[arg(long, requires = "reserved")]
        wait: bool,
    },
}

/// Carries out one command.
pub(crate) async fn run(
    printer: &Printer,
    context: &ContextArgs,
    command: EscrowCommand,
) -> anyhow::Result<()> {
    let network = Network::open(context).await?;
    let wallet = read_keypair(&context.wallet_path()?)?;
    let purse = Purse { printer: *printer, network: &network, wallet: &wallet };
    match command {
        EscrowCommand::Deposit { amount } => {
            purse.deposit(amount.0).await?;
            purse.print_status().await
        }
        EscrowCommand::Allow { amount, days } => {
            purse.allow(amount.0, days).await?;
            purse.print_status().await
        }
        EscrowCommand::Status => purse.print_status().await,
        EscrowCommand::Withdraw { amount, reserved: false, to, .. } => {
            purse.withdraw(amount.map(|amount| amount.0), to).await?;
            purse.print_status().await
        }
        EscrowCommand::Withdraw { amount, reserved: true, to, wait } => {
            purse.exit(amount.map(|amount| amount.0), to, wait).await?;
            purse.print_status().await
        }
    }
}

/// A wallet and its escrow in one market.
pub(crate) struct Purse<'a> {
    /// Says what happens.
    pub printer: Printer,
    /// Where.
    pub network: &'a Network,
    /// Whose money.
    pub wallet: &'a Keypair,
}

#[derive(Serialize)]
struct Status {
    wallet: String,
    wallet_usdc: Amount,
    escrows: Vec<Escrow>,
    allowances: Vec<AllowanceStatus>,
}

#[derive(Serialize)]
struct AllowanceStatus {
    #[serde(flatten)]
    allowance: Allowance,
    remaining: Amount,
    admissible: Amount,
    exit_ready: bool,
}

impl Purse<'_> {
    /// The wallet's escrow in this market, if it has one.
    async fn escrow(&self) -> anyhow::Result<Option<Escrow>> {
        let filter = EscrowFilter::Owner(public(self.wallet));
        let escrows = self.network.chain.escrows(filter, Commitment::Confirmed).await?;
        Ok(escrows.into_iter().find(|escrow| escrow.market == self.network.market.id))
    }

    /// Moves money into the escrow, opening it first when there is none.
    pub(crate) async fn deposit(&self, amount: Amount) -> anyhow::Result<()> {
        let owner = public(self.wallet);
        let build = &self.network.instructions;
        let mut instructions = Vec::new();
        let escrow = match self.escrow().await? {
            Some(escrow) => escrow.id,
            None => {
                let now = self.network.chain.position(Commitment::Confirmed).await?;
                let (id, open) = build.escrow_open(&owner, opening_slot(now.time.slot));
                instructions.push(open);
                id
            }
        };
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

    /// Reserves money for the coordinator; gives the allowance.
    pub(crate) async fn allow(&self, amount: Amount, days: u32) -> anyhow::Result<AllowanceId> {
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
        let (id, instruction) = match self.allowance().await? {
            Some(allowance) => (allowance.id, build.allowance_raise(&allowance, amount, expiry)),
            None => build.allowance_open(
                &escrow.id,
                &owner,
                &self.network.info.coordinator,
                opening_slot(now.slot),
                amount,
                expiry,
            ),
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
    async fn withdraw(&self, amount: Option<Amount>, to: Option<Pubkey>) -> anyhow::Result<()> {
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
    async fn exit(
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
        loop {
            let now = self.network.chain.position(Commitment::Confirmed).await?.time;
            let Some(release) = &allowance.pending_release else { return Ok(()) };
            let delay = self.network.market.exit_delay;
            if delay.has_passed(release.requested, now) {
                let exit = build.allowance_exit(&allowance);
                self.network.send(self.printer, "exiting", &[exit], &[self.wallet]).await?;
                return Ok(());
            }
            let seconds = i64::try_from(delay.seconds).unwrap_or(i64::MAX);
            let left = release.requested.unix.0.saturating_add(seconds).saturating_sub(now.unix.0);
            if !wait {
                self.printer.step(format_args!(
                    "the money can leave in about {} s; run the same command then, or use --wait",
                    left.max(1)
                ));
                return Ok(());
            }
            self.printer.step(format_args!("waiting for the exit delay, {} s left", left.max(1)));
            tokio::time::sleep(Duration::from_secs(u64::try_from(left.clamp(1, 30))?)).await;
        }
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

    async fn print_status(&self) -> anyhow::Result<()> {
        let owner = public(self.wallet);
        let chain = &self.network.chain;
        let now = chain.position(Commitment::Confirmed).await?.time;
        let account = self.network.instructions.token_account(&owner);
        let wallet_usdc = chain.token_balance(account, Commitment::Confirmed).await?;
        let escrows = chain.escrows(EscrowFilter::Owner(owner), Commitment::Confirmed).await?;
        let delay = self.network.market.exit_delay;
        let allowances: Vec<AllowanceStatus> = chain
            .allowances(AllowanceFilter::Owner(owner), Commitment::Confirmed)
            .await?
            .into_iter()
            .map(|allowance| AllowanceStatus {
                remaining: allowance.remaining(),
                admissible: allowance.admissible(now.unix),
                exit_ready: allowance
                    .pending_release
                    .is_some_and(|release| delay.has_passed(release.requested, now)),
                allowance,
            })
            .collect();
        let mut text = format!("wallet     {owner}\n           {}", show(wallet_usdc));
        for escrow in &escrows {
            text.push_str(&format!(
                "\nescrow     {}\n           {} free",
                escrow.id,
                show(escrow.free)
            ));
        }
        for status in &allowances {
            let allowance = &status.allowance;
            text.push_str(&format!(
                "\nallowance  {}\n           {} left of {} reserved, {} spent, coordinator {}",
                allowance.id,
                show(status.remaining),
                show(allowance.reserved),
                show(allowance.debited),
                allowance.coordinator.to_address(),
            ));
            if now.unix >= allowance.expiry {
                text.push_str(", expired");
            }
            if let Some(release) = &allowance.pending_release {
                let state =
                    if status.exit_ready { "ready to leave" } else { "waiting for the delay" };
                text.push_str(&format!(
                    "\n           {} on the way out, {state}",
                    show(release.amount)
                ));
            }
        }
        let status = Status { wallet: owner.to_string(), wallet_usdc, escrows, allowances };
        self.printer.result(&status, text);
        Ok(())
    }
}
