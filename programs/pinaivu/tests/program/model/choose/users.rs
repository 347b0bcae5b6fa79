//! What owners of escrows, and people who fund them, try.

use super::*;

impl Chooser<'_> {
    pub(super) fn escrow_action(&mut self) -> Action {
        match self.random.below(24) {
            0..=7 => self.deposit(),
            8..=12 => self.withdraw(),
            13..=14 => {
                let escrow = self.escrow();
                Action::EscrowClose { escrow, by: self.mostly(self.ledger.escrows[escrow].owner) }
            }
            15 => self.recover(),
            16 | 17 => Action::EscrowSweep { escrow: self.escrow() },
            _ => self.allowance_open(),
        }
    }

    fn deposit(&mut self) -> Action {
        let (escrow, person) = (self.escrow(), self.person());
        let amount = self.random.amount(self.ledger.people[person].holds / 8);
        Action::EscrowDeposit { escrow, person, amount }
    }

    fn withdraw(&mut self) -> Action {
        let escrow = self.escrow();
        let it = &self.ledger.escrows[escrow];
        let amount = self.random.amount(it.free);
        Action::EscrowWithdraw { escrow, by: self.mostly(it.owner), amount }
    }

    /// Mostly where there is something to recover.
    fn recover(&mut self) -> Action {
        let all = &self.ledger.escrows;
        let other_mint = self.random.once_in(2);
        let lies = |id: Id| {
            let it = &all[id];
            let held = if other_mint { it.strayed } else { it.deposited };
            held.is_some() && (other_mint || !it.open)
        };
        let escrow = self.any(all.len(), lies).unwrap_or_else(|| self.escrow());
        let by = self.mostly(self.ledger.escrows[escrow].owner);
        Action::EscrowRecover { escrow, by, other_mint }
    }

    fn allowance_open(&mut self) -> Action {
        let escrow = self.escrow();
        let it = &self.ledger.escrows[escrow];
        Action::AllowanceOpen {
            escrow,
            by: self.mostly(it.owner),
            coordinator: self.coordinator(),
            opened: self.opening_slot(),
            amount: self.random.amount(it.free / 2),
            expiry: self.ledger.time + self.random.below(2_000) as i64 - 20,
            voucher: self.random.once_in(3).then(|| self.key()),
        }
    }

    pub(super) fn allowance_action(&mut self) -> Action {
        let allowance = self.allowance();
        let it = &self.ledger.allowances[allowance];
        let escrow = &self.ledger.escrows[it.escrow];
        let by = self.mostly(escrow.owner);
        match self.random.below(16) {
            13..=15 => {
                let wallet = it.voucher.map_or(0, |(wallet, _)| wallet);
                let times = [0, self.ledger.time + 1, self.ledger.time, self.ledger.time + 900];
                let other = self.random.once_in(24);
                Action::VoucherAccept {
                    allowance,
                    named: if other { self.allowance() } else { allowance },
                    signer: self.mostly_key(wallet),
                    cumulative: self.random.amount(it.reserved),
                    expiry: self.random.choose(&times),
                }
            }
            0 | 1 => Action::AllowanceRaise {
                allowance,
                by,
                amount: self.random.amount(escrow.free / 2),
                expiry: it.expiry + self.random.below(1_000) as i64 - 50,
            },
            2..=5 => Action::AllowanceRelease {
                allowance,
                by,
                amount: self.random.amount(it.remaining()),
                to_wallet: self.random.once_in(2),
            },
            6..=9 => Action::AllowanceExit { allowance, with_wallet: !self.random.once_in(8) },
            _ => Action::AllowanceClose { allowance, by },
        }
    }
}
