//! What becomes of settlements and payments.

use anchor_lang::error::ErrorCode::AccountNotInitialized;

use super::*;
use crate::harness::{ALREADY_IN_USE, custom};

impl Ledger {
    pub(super) fn payout_open(&mut self, address: Pubkey, coordinator: Id, node: Id) -> Verdict {
        let there = self.nodes[node].open && self.coordinators[coordinator].open;
        require(there, AccountNotInitialized)?;
        let taken = self.payouts.iter().any(|it| it.open && it.address == address);
        require(!taken, custom(ALREADY_IN_USE))?;
        let owner = self.nodes[node].payout_owner;
        self.payouts.push(Payout {
            address,
            coordinator,
            node,
            owner,
            credited: 0,
            paid: 0,
            advanced: 0,
            guarantee: 0,
            lowering: None,
            demand: None,
            open: true,
        });
        Ok(vec![Touched::Payout(self.payouts.len() - 1)])
    }

    pub(super) fn debit(&mut self, coordinator: Id, by: Id, entries: &[(Id, u64)]) -> Verdict {
        require(self.coordinators[coordinator].open, AccountNotInitialized)?;
        require(self.coordinators[coordinator].signer == by, E::NotSigner)?;
        require(!entries.is_empty(), E::EntriesEmpty)?;
        let mut touched = vec![Touched::Coordinator(coordinator)];
        for (allowance, asked) in entries {
            let it = &mut self.allowances[*allowance];
            if !it.open {
                continue;
            }
            require(it.coordinator == coordinator, E::WrongCoordinator)?;
            let limit = it.voucher.map_or(u128::MAX, |(_, limit)| limit);
            let wanted = u128::from(*asked).min(limit).saturating_sub(it.debited);
            let taken = wanted.min(it.remaining());
            it.debited += taken;
            self.coordinators[coordinator].debited += taken;
            touched.push(Touched::Allowance(*allowance));
        }
        Ok(touched)
    }

    pub(super) fn credit(
        &mut self,
        coordinator: Id,
        by: Id,
        entries: &[(Id, u64)],
        fees: u64,
    ) -> Verdict {
        require(self.coordinators[coordinator].open, AccountNotInitialized)?;
        require(self.coordinators[coordinator].signer == by, E::NotSigner)?;
        require(!entries.is_empty() || fees > 0, E::EntriesEmpty)?;
        let mut touched = vec![Touched::Coordinator(coordinator)];
        for (payout, asked) in entries {
            let it = &mut self.payouts[*payout];
            if !it.open {
                continue;
            }
            require(it.coordinator == coordinator, E::WrongCoordinator)?;
            let there = self.coordinators[coordinator].undistributed();
            let given = u128::from(*asked).saturating_sub(it.credited).min(there);
            it.credited += given;
            self.coordinators[coordinator].credited += given;
            touched.push(Touched::Payout(*payout));
        }
        let it = &mut self.coordinators[coordinator];
        let rate = u128::from(it.fee_bps.min(self.rules.fee_cap));
        let most = it.debited * rate / 10_000;
        let wanted = u128::from(fees).min(most).saturating_sub(it.fees);
        it.fees += wanted.min(it.undistributed());
        Ok(touched)
    }

    pub(super) fn claim(&mut self, payout: Id) -> Verdict {
        let it = &mut self.payouts[payout];
        require(it.open, AccountNotInitialized)?;
        // What the bond paid before is not paid again.
        let (due, owner) = (it.credited.saturating_sub(it.paid), it.owner);
        require(due > 0, E::NothingToClaim)?;
        it.paid += due;
        self.pay(ESCROW, owner, due);
        Ok(vec![Touched::Payout(payout), Touched::Person(owner), Touched::Vaults])
    }

    pub(super) fn fee_claim(&mut self, coordinator: Id) -> Verdict {
        let it = &mut self.coordinators[coordinator];
        require(it.open, AccountNotInitialized)?;
        let (due, authority) = (it.fees - it.fees_paid, it.authority);
        require(due > 0, E::NothingToClaim)?;
        it.fees_paid += due;
        self.pay(ESCROW, authority, due);
        Ok(vec![Touched::Coordinator(coordinator), Touched::Person(authority), Touched::Vaults])
    }

    pub(super) fn payout_close(&mut self, payout: Id, by: Id) -> Verdict {
        let it = &self.payouts[payout];
        require(it.open, AccountNotInitialized)?;
        require(it.owner == by, E::NotPayoutOwner)?;
        let empty = it.credited == it.paid && it.advanced == 0 && it.guarantee == 0;
        require(empty, E::PayoutNotEmpty)?;
        // Else its address could be opened again.
        let both = self.nodes[it.node].open && self.coordinators[it.coordinator].open;
        require(!both, E::PayoutInUse)?;
        self.payouts[payout].open = false;
        Ok(vec![Touched::Payout(payout)])
    }
}
