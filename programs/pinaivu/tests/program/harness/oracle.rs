//! The oracle: what every account says, added up, must be what the ledgers and the vaults say.
//!
//! It knows the accounts' fields and nothing of how instructions compute them.

use anchor_lang::{AccountDeserialize, Discriminator};
use pinaivu::state::{Allowance, Coordinator, Escrow, Ledger, Market, Node, Payout};
use solana_pubkey::Pubkey;

use super::World;

impl World {
    /// Stops the test when something does not add up.
    #[track_caller]
    pub(crate) fn check(&self) {
        for (address, market) in self.all::<Market>() {
            self.check_market(address, &market);
        }
        let supply = |mint: &Pubkey| self.minted.get(mint).copied().unwrap_or_default();
        for (_, market) in self.all::<Market>() {
            let circulating = self.circulating(&market.token_program, &market.mint);
            let there = circulating + self.burned(&market.mint);
            assert_eq!(there, supply(&market.mint), "tokens neither appear nor disappear");
        }
    }

    #[track_caller]
    fn check_market(&self, address: Pubkey, market: &Market) {
        let at = super::Market::of(market.mint, market.token_program);
        assert_eq!(at.address, address);
        let ledger: Ledger = self.read(&at.ledger);
        self.check_vault(&at.escrow_vault, ledger.escrow_liabilities, self.escrow_owed(address));
        self.check_vault(&at.stake_vault, ledger.stake_liabilities, self.stake_owed(address));
        self.check_vault(&at.bond_vault, ledger.bond_liabilities, self.bonds_owed(address));
    }

    #[track_caller]
    fn check_vault(&self, vault: &Pubkey, liabilities: u64, owed: u128) {
        let donated = self.donations.get(vault).copied().unwrap_or_default();
        assert_eq!(u128::from(liabilities), owed, "the ledger and the sum of all accounts");
        let held = self.tokens(vault);
        if self.gifts {
            assert!(held >= liabilities + donated, "the vault holds less than it owes");
        } else {
            assert_eq!(held, liabilities + donated, "the vault and what it owes");
        }
    }

    /// Σ free + Σ remaining + Σ (debited − paid to nodes − fees paid).
    #[track_caller]
    fn escrow_owed(&self, market: Pubkey) -> u128 {
        let mut owed = 0_u128;
        let allowances = self.all::<Allowance>();
        for (escrow, account) in self.all::<Escrow>() {
            if account.market != market {
                continue;
            }
            owed += u128::from(account.free);
            let own = allowances.iter().filter(|(_, allowance)| allowance.escrow == escrow);
            let mut open = 0;
            for (_, allowance) in own {
                assert_eq!(allowance.owner, account.owner);
                let gone = u128::from(allowance.released) + u128::from(allowance.debited);
                let remaining = u128::from(allowance.reserved).checked_sub(gone);
                owed += remaining.expect("no more leaves an allowance than was reserved");
                open += 1;
            }
            assert_eq!(account.allowances, open, "open allowances of an escrow");
        }
        owed + self.pool(market, &allowances)
    }

    /// Σ (debited − credited − fees paid) over a market's coordinators, and over its payouts Σ of what
    /// is credited and has not left the pool.
    #[track_caller]
    fn pool(&self, market: Pubkey, allowances: &[(Pubkey, Allowance)]) -> u128 {
        let payouts = self.all::<Payout>();
        let mut pool = 0_u128;
        for (address, coordinator) in self.all::<Coordinator>() {
            if coordinator.market != market {
                continue;
            }
            let debited: u128 = allowances
                .iter()
                .filter(|(_, allowance)| allowance.coordinator == address)
                .map(|(_, allowance)| u128::from(allowance.debited))
                .sum();
            // Allowances that were closed are in the total only.
            assert!(u128::from(coordinator.debited) >= debited);
            let (mut credited, mut promised, mut advanced) = (0_u128, 0_u128, 0_u128);
            for (_, payout) in payouts.iter().filter(|(_, payout)| payout.coordinator == address) {
                assert_eq!(payout.market, market);
                assert!(payout.advanced <= payout.guarantee, "advanced beyond the guarantee");
                credited += u128::from(payout.credited);
                promised += u128::from(payout.guarantee - payout.advanced);
                advanced += u128::from(payout.advanced);
            }
            assert!(u128::from(coordinator.credited) >= credited, "credits of all nodes");
            assert_eq!(u128::from(coordinator.guaranteed), promised, "guarantees of all nodes");
            assert_eq!(u128::from(coordinator.advanced), advanced, "advances to all nodes");
            assert!(coordinator.guaranteed <= coordinator.guarantee_bond, "guarantees uncovered");
            let given = u128::from(coordinator.credited) + u128::from(coordinator.fees);
            assert!(given <= u128::from(coordinator.debited), "more given than taken");
            let most = u128::from(coordinator.debited) * u128::from(coordinator.fee_bps);
            assert!(u128::from(coordinator.fees) * 10_000 <= most, "fees above the rate");
            assert!(coordinator.fees_paid <= coordinator.fees);
            pool += u128::from(coordinator.debited) - u128::from(coordinator.credited);
            pool -= u128::from(coordinator.fees_paid);
        }
        // What is credited is owed whether the coordinator is still there or not; what the guarantee
        // bond advanced is not from the pool.
        for (_, payout) in payouts.iter().filter(|(_, payout)| payout.market == market) {
            let from_pool = payout.paid.checked_sub(payout.advanced).expect("advances are paid");
            let owed = payout.credited.checked_sub(from_pool);
            pool += u128::from(owed.expect("the pool gives no more than was credited"));
        }
        pool
    }

    fn stake_owed(&self, market: Pubkey) -> u128 {
        let nodes = self.all::<Node>();
        let own = nodes.iter().filter(|(_, node)| node.market == market);
        own.map(|(_, node)| u128::from(node.stake) + u128::from(node.unbonding.amount)).sum()
    }

    fn bonds_owed(&self, market: Pubkey) -> u128 {
        let coordinators = self.all::<Coordinator>();
        let own = coordinators.iter().filter(|(_, coordinator)| coordinator.market == market);
        own.map(|(_, it)| {
            let bonds = u128::from(it.guarantee_bond) + u128::from(it.penalty_bond);
            let waiting = [it.guarantee_unbonding.amount, it.penalty_unbonding.amount];
            bonds + waiting.into_iter().map(u128::from).sum::<u128>()
        })
        .sum()
    }

    /// Every account of one kind.
    pub(crate) fn all<T: AccountDeserialize + Discriminator>(&self) -> Vec<(Pubkey, T)> {
        let accounts = self.svm.get_program_accounts(&pinaivu::ID);
        let own = accounts.iter().filter(|(_, account)| account.data.starts_with(T::DISCRIMINATOR));
        own.map(|(address, account)| {
            (*address, T::try_deserialize(&mut account.data.as_slice()).unwrap())
        })
        .collect()
    }
}
