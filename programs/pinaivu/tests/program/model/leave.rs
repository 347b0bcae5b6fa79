//! How it ends: everybody takes out what is theirs and closes what is empty, whatever state things are
//! in. No coordinator, governance or other person has to do anything for it.

use super::action::Action;
use super::episode::Episode;
use super::ledger::*;

/// A balance, as instructions take it.
fn exact(amount: u128) -> u64 {
    u64::try_from(amount).unwrap()
}

impl Episode {
    pub(super) fn leave(&mut self) {
        self.ask_for_everything();
        self.wait(self.ledger.rules.exit);
        self.take_reserved_money();
        self.take_free_money();
        self.wait(self.ledger.rules.unbond);
        self.take_stake_and_credits();
        self.chain.compare_all(&self.ledger);
        self.nothing_else_is_left();
        self.wait((WINDOW + 1, 0));
        self.close_what_is_empty();
        self.chain.compare_all(&self.ledger);
    }

    fn ask_for_everything(&mut self) {
        for allowance in 0..self.ledger.allowances.len() {
            let it = &self.ledger.allowances[allowance];
            if it.open && it.remaining() > 0 {
                let (by, to_wallet) = (self.ledger.escrows[it.escrow].owner, allowance % 2 == 0);
                let amount = u64::MAX;
                self.must(Action::AllowanceRelease { allowance, by, amount, to_wallet });
            }
        }
        for node in 0..self.ledger.nodes.len() {
            let it = &self.ledger.nodes[node];
            if it.open && it.stake > 0 {
                let (by, amount) = (it.operator, exact(it.stake));
                self.must(Action::NodeUnbond { node, by, amount });
            }
        }
    }

    /// Coordinators debit what they still can.
    fn take_reserved_money(&mut self) {
        for allowance in 0..self.ledger.allowances.len() {
            let it = &self.ledger.allowances[allowance];
            let coordinator = it.coordinator;
            if it.open && allowance % 3 == 0 && self.ledger.coordinators[coordinator].open {
                let entries = vec![(allowance, exact(it.debited) + 5)];
                let by = self.ledger.coordinators[coordinator].signer;
                self.must(Action::Debit { coordinator, by, entries });
            }
            let it = &self.ledger.allowances[allowance];
            if it.open && it.pending.is_some() {
                self.must(Action::AllowanceExit { allowance, with_wallet: true });
            }
            assert_eq!(self.ledger.allowances[allowance].remaining(), 0);
        }
    }

    fn take_free_money(&mut self) {
        for escrow in 0..self.ledger.escrows.len() {
            let it = &self.ledger.escrows[escrow];
            let (by, arrived) = (it.owner, it.deposited.is_some_and(|amount| amount > 0));
            if it.strayed.is_some_and(|amount| amount > 0) {
                self.must(Action::EscrowRecover { escrow, by, other_mint: true });
            }
            let it = &self.ledger.escrows[escrow];
            if arrived && it.open {
                self.must(Action::EscrowSweep { escrow });
            } else if arrived {
                self.must(Action::EscrowRecover { escrow, by, other_mint: false });
            }
            let free = exact(self.ledger.escrows[escrow].free);
            if free > 0 {
                self.must(Action::EscrowWithdraw { escrow, by, amount: free });
            }
        }
    }

    fn take_stake_and_credits(&mut self) {
        for node in 0..self.ledger.nodes.len() {
            if self.ledger.nodes[node].unbonding > 0 {
                self.must(Action::NodeUnbondClaim { node });
            }
        }
        for payout in 0..self.ledger.payouts.len() {
            if self.ledger.payouts[payout].credited > self.ledger.payouts[payout].paid {
                self.must(Action::Claim { payout });
            }
        }
        for coordinator in 0..self.ledger.coordinators.len() {
            let it = &self.ledger.coordinators[coordinator];
            if it.fees > it.fees_paid {
                self.must(Action::FeeClaim { coordinator });
            }
        }
    }

    /// What stays is what was debited and given to nobody, credits that the bond has advanced and that
    /// go back to it, bonds, and gifts.
    fn nothing_else_is_left(&self) {
        let open = self.ledger.coordinators.iter().filter(|it| it.open);
        let undistributed: u128 = open.map(Coordinator::undistributed).sum();
        let all = self.ledger.payouts.iter();
        let going_back: u128 = all.map(|it| it.credited - it.out_of_pool()).sum();
        let bonds = self.ledger.owed_by_bond();
        let left = [undistributed + going_back, 0, bonds];
        for ((held, left), gifts) in self.ledger.vaults.iter().zip(left).zip(self.ledger.gifts) {
            assert_eq!(*held, left + gifts);
        }
    }

    fn close_what_is_empty(&mut self) {
        for allowance in 0..self.ledger.allowances.len() {
            let it = &self.ledger.allowances[allowance];
            if it.open {
                let by = self.ledger.escrows[it.escrow].owner;
                self.must(Action::AllowanceClose { allowance, by });
            }
        }
        for escrow in 0..self.ledger.escrows.len() {
            let it = &self.ledger.escrows[escrow];
            if it.open {
                self.must(Action::EscrowClose { escrow, by: it.owner });
            }
        }
        for node in 0..self.ledger.nodes.len() {
            let it = &self.ledger.nodes[node];
            if it.open {
                self.must(Action::NodeClose { node, by: it.operator });
            }
        }
        for payout in 0..self.ledger.payouts.len() {
            let it = &self.ledger.payouts[payout];
            if it.open && it.credited == it.paid && it.advanced == 0 && it.guarantee == 0 {
                self.must(Action::PayoutClose { payout, by: it.owner });
            }
        }
        for evidence in 0..self.ledger.evidence.len() {
            let it = &self.ledger.evidence[evidence];
            if it.open {
                self.must(Action::EvidenceClose { evidence, by: it.owner });
            }
        }
        for record in 0..self.ledger.records.len() {
            if self.ledger.records[record].open {
                self.must(Action::ReceiptClose { record, by: None });
            }
        }
        for retired in 0..self.ledger.retired.len() {
            if self.ledger.retired[retired].open {
                self.must(Action::SignerClose { retired });
            }
        }
    }
}
