//! Escrows and allowances.

use super::*;
use crate::harness::{Parties, close_between, exit_between, raise_between};

impl Chain {
    pub(super) fn build_user(
        &self,
        ledger: &Ledger,
        action: &Action,
    ) -> Option<(Pubkey, Instruction)> {
        let (w, market) = (&self.world, &self.world.market);
        let person = |id: &Id| ledger.people[*id].address;
        let tokens = |id: &Id| ledger.people[*id].tokens;
        let address = |escrow: &Id| &ledger.escrows[*escrow].address;
        Some(match action {
            Action::EscrowOpen { owner, opened } => w.escrow_open(market, &person(owner), *opened),
            Action::EscrowDeposit { escrow, person, amount } => {
                none(w.escrow_deposit(market, address(escrow), &self.people[*person], *amount))
            }
            Action::EscrowWithdraw { escrow, by, amount } => {
                none(w.escrow_withdraw(market, address(escrow), &self.people[*by], *amount))
            }
            Action::EscrowSweep { escrow } => none(w.escrow_sweep(market, address(escrow))),
            Action::EscrowRecover { escrow, by, other_mint } => {
                none(self.escrow_recover(ledger, *escrow, *by, *other_mint))
            }
            Action::EscrowClose { escrow, by } => {
                none(w.escrow_close(address(escrow), &person(by)))
            }
            Action::AllowanceOpen { escrow, by, coordinator, opened, amount, expiry, voucher } => {
                let (escrow, by) = (address(escrow), person(by));
                let coordinator = &ledger.coordinators[*coordinator].address;
                let (address, open) =
                    w.allowance_open(market, &by, escrow, coordinator, *opened, *amount, *expiry);
                let wallet = voucher.map(|signer| ledger.keys[signer]);
                (address, w.allowance_open_with_vouchers(&open, wallet))
            }
            Action::VoucherAccept { allowance, .. } => {
                none(w.voucher_accept(&ledger.allowances[*allowance].address))
            }
            Action::AllowanceRaise { allowance, by, amount, expiry } => {
                let parties = self.parties(ledger, *allowance, *by);
                none(raise_between(market, parties, *amount, *expiry))
            }
            Action::AllowanceRelease { allowance, by, amount, to_wallet } => {
                let it = &ledger.allowances[*allowance];
                let destination = to_wallet.then(|| tokens(&ledger.escrows[it.escrow].owner));
                none(w.allowance_release(&it.address, &person(by), *amount, destination))
            }
            Action::AllowanceExit { allowance, with_wallet } => {
                let owner = ledger.escrows[ledger.allowances[*allowance].escrow].owner;
                let destination = with_wallet.then(|| tokens(&owner));
                let parties = self.parties(ledger, *allowance, owner);
                none(exit_between(market, parties, destination))
            }
            Action::AllowanceClose { allowance, by } => {
                none(close_between(self.parties(ledger, *allowance, *by)))
            }
            _ => return None,
        })
    }

    fn parties(&self, ledger: &Ledger, allowance: Id, owner: Id) -> Parties {
        let it = &ledger.allowances[allowance];
        Parties {
            owner: ledger.people[owner].address,
            escrow: ledger.escrows[it.escrow].address,
            coordinator: ledger.coordinators[it.coordinator].address,
            allowance: it.address,
            rent_payer: self.rent_payer(),
        }
    }

    fn escrow_recover(&self, ledger: &Ledger, escrow: Id, by: Id, other_mint: bool) -> Instruction {
        let (it, market) = (&ledger.escrows[escrow], &self.world.market);
        let owner = &ledger.people[it.owner];
        let (of, to) =
            if other_mint { (&self.second, &self.second_wallet) } else { (market, &owner.tokens) };
        let mint = (of.mint, of.token_program);
        let source = self.deposits(&it.address, other_mint);
        let (address, opened) = (&owner.address, it.opened);
        let mut recover = self.world.escrow_recover(market, address, opened, mint, &source, to);
        recover.accounts[0].pubkey = ledger.people[by].address;
        recover
    }
}
