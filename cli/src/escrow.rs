//! `pinaivu escrow`: a wallet's money: in, reserved for a coordinator, and out again without anyone's
//! permission.

mod address;
mod purse;
mod voucher;

use clap::Subcommand;
use pinaivu_chain::{
    Allowance, AllowanceFilter, Chain, Commitment, Escrow, EscrowFilter, Pubkey, ToAddress,
};
use pinaivu_protocol::ids::PublicKey;
use pinaivu_protocol::units::Amount;
use serde::Serialize;

use crate::attest;
use crate::context::ContextArgs;
use crate::money::{Usdc, show};
use crate::network::{Network, public, read_keypair};
use crate::output::Printer;
pub(crate) use purse::Purse;

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
        /// Let the coordinator debit only what vouchers of this key allow (`pinaivu escrow voucher`).
        #[arg(long, value_name = "KEY")]
        voucher_signer: Option<PublicKey>,
        /// Reserve also where the market lists the code that coordinators may run and this one does not
        /// show that it runs it (`pinaivu attest`).
        #[arg(long)]
        unattested: bool,
    },
    /// Sign a voucher: let the coordinator debit this much more of an allowance that needs vouchers.
    Voucher(voucher::VoucherArgs),
    /// The escrow's deposit address: a plain token transfer to it, from any wallet or exchange, funds the
    /// escrow once it is swept. Opens the escrow on first use.
    Address,
    /// Credit the escrow with what lies at its deposit address. Anyone may do this for anyone.
    Sweep,
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
    let wallet = read_keypair(&context.wallet_path()?)?;
    let network = Network::open_for(context, *printer, &public(&wallet)).await?;
    let purse = Purse { printer: *printer, network: &network, wallet: &wallet };
    match command {
        EscrowCommand::Deposit { amount } => {
            purse.deposit(amount.0).await?;
            purse.print_status().await
        }
        EscrowCommand::Allow { amount, days, voucher_signer, unattested } => {
            if !unattested {
                attest::require(*printer, &network).await?;
            }
            purse.allow(amount.0, days, voucher_signer).await?;
            purse.print_status().await
        }
        EscrowCommand::Voucher(arguments) => {
            voucher::run(&purse, &arguments).await?;
            purse.print_status().await
        }
        EscrowCommand::Address => address::print(&purse).await,
        EscrowCommand::Sweep => {
            address::sweep(&purse).await?;
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
            if let Some(vouchers) = &allowance.vouchers {
                text.push_str(&format!(
                    "\n           vouchers let {} be spent",
                    show(vouchers.limit)
                ));
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
