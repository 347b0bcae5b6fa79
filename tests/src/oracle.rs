//! The equality over all accounts: what the vaults hold is what is owed, to the unit.

use anyhow::{Context as _, Result, ensure};
use pinaivu_chain::{
    AllowanceFilter, Chain, Commitment, CoordinatorFilter, EscrowFilter, NodeFilter, PayoutFilter,
    RpcChain,
};
use pinaivu_protocol::ids::MarketId;

/// Sums over a market's accounts, in millionths of a USDC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Free escrow money.
    pub free: u64,
    /// What allowances still hold.
    pub remaining: u64,
    /// Debited by all coordinators.
    pub debited: u64,
    /// Credited to nodes.
    pub credited: u64,
    /// Kept as fees.
    pub fees: u64,
    /// Paid to nodes, advances included.
    pub paid: u64,
    /// Of that, what guarantee bonds advanced and credit has not given back.
    pub advanced: u64,
    /// Fees paid out.
    pub fees_paid: u64,
}

/// Reads every account of the market and checks that money is conserved.
///
/// # Errors
/// When the chain cannot be read or an equality does not hold.
pub async fn check_conservation(chain: &RpcChain, market: MarketId) -> Result<Totals> {
    let at = Commitment::Confirmed;
    let mut totals = Totals::default();
    for escrow in chain.escrows(EscrowFilter::Market(market), at).await? {
        totals.free += escrow.free.get();
        for allowance in chain.allowances(AllowanceFilter::Escrow(escrow.id), at).await? {
            totals.remaining += allowance.remaining().get();
        }
    }
    let mut bonds = 0;
    for coordinator in chain.coordinators(CoordinatorFilter::Market(market), at).await? {
        totals.debited += coordinator.debited.get();
        totals.credited += coordinator.credited.get();
        totals.fees += coordinator.fees.get();
        totals.fees_paid += coordinator.fees_paid.get();
        bonds += coordinator.guarantee_bond.get() + coordinator.penalty_bond.get();
        let mut credited = 0;
        for payout in chain.payouts(PayoutFilter::Coordinator(coordinator.id), at).await? {
            // What the guarantee bond advanced is not out of the pool, and comes back to it by credit.
            let from_pool = payout.paid.checked_sub(payout.advanced);
            let from_pool = from_pool.context("more was advanced than was paid")?;
            ensure!(from_pool <= payout.credited, "payout {} is overpaid", payout.address);
            ensure!(payout.advanced <= payout.guarantee, "payout {} is overdrawn", payout.address);
            totals.advanced += payout.advanced.get();
            credited += payout.credited.get();
            totals.paid += payout.paid.get();
        }
        ensure!(
            credited == coordinator.credited.get(),
            "payouts of {} sum to {credited}, it says {}",
            coordinator.id,
            coordinator.credited
        );
        ensure!(
            coordinator.credited.get() + coordinator.fees.get() <= coordinator.debited.get(),
            "{} gave out more than it took in",
            coordinator.id
        );
    }
    let mut stakes = 0;
    for node in chain.nodes(NodeFilter::Market(market), at).await? {
        stakes += node.stake.get() + node.unbonding.map_or(0, |unbonding| unbonding.amount.get());
    }
    let ledger = chain.ledger(market, at).await?.context("the market has no ledger")?;
    let owed = totals.free + totals.remaining + totals.debited
        - (totals.paid - totals.advanced)
        - totals.fees_paid;
    ensure!(
        ledger.escrow_liabilities.get() == owed,
        "the ledger owes {}, the accounts sum to {owed}",
        ledger.escrow_liabilities
    );
    ensure!(ledger.stake_liabilities.get() == stakes, "stakes sum to {stakes}: {ledger:?}");
    ensure!(ledger.bond_liabilities.get() == bonds, "bonds sum to {bonds}: {ledger:?}");
    let addresses = chain.addresses();
    for (vault, liabilities) in [
        (addresses.escrow_vault(&market), ledger.escrow_liabilities),
        (addresses.stake_vault(&market), ledger.stake_liabilities),
        (addresses.bond_vault(&market), ledger.bond_liabilities),
    ] {
        let held = chain.token_balance(vault, at).await?;
        ensure!(held == liabilities, "vault {vault} holds {held}, owes {liabilities}");
    }
    Ok(totals)
}
