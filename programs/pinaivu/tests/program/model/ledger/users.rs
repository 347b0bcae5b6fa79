//! What becomes of the instructions of an escrow's owner.

use anchor_lang::error::ErrorCode::{AccountNotInitialized, ConstraintSeeds};
use solana_pubkey::Pubkey;

use super::*;
use crate::harness::{ALREADY_IN_USE, INSUFFICIENT_TOKENS, custom};

impl Ledger {
    /// An opening slot is not ahead and at most the window old.
    pub(super) fn openable(&self, opened: u64) -> Result<(), Refusal> {
        let fits = opened <= self.slot && self.slot - opened <= WINDOW;
        require(fits, E::OpeningSlotOutOfWindow)
    }

    pub(super) fn closable(&self, opened: u64) -> Result<(), Refusal> {
        require(self.slot - opened > WINDOW, E::TooYoungToClose)
    }

    pub(super) fn escrow_open(&mut self, address: Pubkey, owner: Id, opened: u64) -> Verdict {
        let taken = self.escrows.iter().any(|it| it.open && it.address == address);
        require(!taken, custom(ALREADY_IN_USE))?;
        self.openable(opened)?;
        self.escrows.push(Escrow {
            address,
            owner,
            opened,
            free: 0,
            deposited: None,
            strayed: None,
            allowances: 0,
            open: true,
        });
        Ok(vec![Touched::Escrow(self.escrows.len() - 1)])
    }

    pub(super) fn escrow_deposit(&mut self, escrow: Id, person: Id, amount: u64) -> Verdict {
        let amount = u128::from(amount);
        require(self.escrows[escrow].open, AccountNotInitialized)?;
        require(!self.paused, E::MarketPaused)?;
        require(amount > 0, E::AmountZero)?;
        require(self.people[person].holds >= amount, custom(INSUFFICIENT_TOKENS))?;
        self.deposit(person, ESCROW, amount);
        self.escrows[escrow].free += amount;
        Ok(vec![Touched::Escrow(escrow), Touched::Person(person), Touched::Vaults])
    }

    pub(super) fn escrow_withdraw(&mut self, escrow: Id, by: Id, amount: u64) -> Verdict {
        let amount = u128::from(amount);
        let it = &mut self.escrows[escrow];
        require(it.open, AccountNotInitialized)?;
        require(it.owner == by, E::NotOwner)?;
        require(amount > 0, E::AmountZero)?;
        require(it.free >= amount, E::InsufficientFree)?;
        it.free -= amount;
        self.pay(ESCROW, by, amount);
        Ok(vec![Touched::Escrow(escrow), Touched::Person(by), Touched::Vaults])
    }

    pub(super) fn escrow_close(&mut self, escrow: Id, by: Id) -> Verdict {
        let it = &self.escrows[escrow];
        require(it.open, AccountNotInitialized)?;
        require(it.owner == by, E::NotOwner)?;
        require(it.free == 0, E::EscrowNotEmpty)?;
        require(it.allowances == 0, E::AllowancesOpen)?;
        self.closable(it.opened)?;
        require(it.deposited.is_none_or(|amount| amount == 0), E::EscrowNotEmpty)?;
        self.escrows[escrow].deposited = None;
        self.escrows[escrow].open = false;
        Ok(vec![Touched::Escrow(escrow)])
    }

    pub(super) fn escrow_sweep(&mut self, escrow: Id) -> Verdict {
        let it = &mut self.escrows[escrow];
        require(it.open, AccountNotInitialized)?;
        let amount = it.deposited.ok_or(AccountNotInitialized)?;
        require(amount > 0, E::NothingToSweep)?;
        it.deposited = Some(0);
        it.free += amount;
        self.vaults[ESCROW] += amount;
        Ok(vec![Touched::Escrow(escrow), Touched::Vaults])
    }

    /// Tokens that no sweep can credit: of another mint, or sent to an escrow that is closed.
    pub(super) fn escrow_recover(&mut self, escrow: Id, by: Id, other_mint: bool) -> Verdict {
        let it = &mut self.escrows[escrow];
        let owner = it.owner;
        let held = if other_mint { &mut it.strayed } else { &mut it.deposited };
        let amount = held.ok_or(AccountNotInitialized)?;
        // The escrow's address has its owner's key in it.
        require(owner == by, ConstraintSeeds)?;
        require(other_mint || !it.open, E::SweepInstead)?;
        require(amount > 0, E::NothingToSweep)?;
        *held = Some(0);
        if other_mint {
            self.recovered += amount;
        } else {
            self.people[owner].holds += amount;
        }
        Ok(vec![Touched::Person(owner), Touched::Strays])
    }

    #[expect(clippy::too_many_arguments, reason = "each is one field of the instruction")]
    pub(super) fn allowance_open(
        &mut self,
        address: Pubkey,
        escrow: Id,
        by: Id,
        coordinator: Id,
        opened: u64,
        amount: u64,
        expiry: i64,
        voucher: Option<Id>,
    ) -> Verdict {
        let amount = u128::from(amount);
        let there = self.escrows[escrow].open && self.coordinators[coordinator].open;
        require(there, AccountNotInitialized)?;
        let taken = self.allowances.iter().any(|it| it.open && it.address == address);
        require(!taken, custom(ALREADY_IN_USE))?;
        require(self.escrows[escrow].owner == by, E::NotOwner)?;
        require(amount > 0, E::AmountZero)?;
        require(expiry > self.time, E::ExpiryInPast)?;
        self.bonded(coordinator)?;
        self.openable(opened)?;
        let it = &mut self.escrows[escrow];
        require(it.free >= amount, E::InsufficientFree)?;
        it.free -= amount;
        it.allowances += 1;
        self.allowances.push(Allowance {
            address,
            escrow,
            coordinator,
            opened,
            reserved: amount,
            released: 0,
            debited: 0,
            expiry,
            observed: None,
            pending: None,
            voucher: voucher.map(|signer| (signer, 0)),
            open: true,
        });
        Ok(vec![Touched::Escrow(escrow), Touched::Allowance(self.allowances.len() - 1)])
    }

    fn bonded(&self, coordinator: Id) -> Result<(), Refusal> {
        let it = &self.coordinators[coordinator];
        require(!it.slashed, E::CoordinatorSlashed)?;
        require(it.penalty >= u128::from(self.rules.min_bond), E::CoordinatorUnderbonded)
    }

    pub(super) fn allowance_raise(
        &mut self,
        allowance: Id,
        by: Id,
        amount: u64,
        expiry: i64,
    ) -> Verdict {
        let amount = u128::from(amount);
        let it = &self.allowances[allowance];
        let escrow = it.escrow;
        let there = it.open && self.coordinators[it.coordinator].open;
        require(there, AccountNotInitialized)?;
        require(self.escrows[escrow].owner == by, E::NotOwner)?;
        require(expiry >= it.expiry, E::ExpiryLowered)?;
        require(expiry > self.time, E::ExpiryInPast)?;
        require(amount > 0 || expiry > it.expiry, E::NothingToChange)?;
        self.bonded(it.coordinator)?;
        require(self.escrows[escrow].free >= amount, E::InsufficientFree)?;
        self.escrows[escrow].free -= amount;
        let it = &mut self.allowances[allowance];
        it.reserved += amount;
        it.expiry = expiry;
        it.observed = None;
        Ok(vec![Touched::Escrow(escrow), Touched::Allowance(allowance)])
    }

    pub(super) fn allowance_release(
        &mut self,
        allowance: Id,
        by: Id,
        amount: u64,
        to_wallet: bool,
    ) -> Verdict {
        let (slot, time) = (self.slot, self.time);
        let it = &mut self.allowances[allowance];
        require(it.open, AccountNotInitialized)?;
        require(self.escrows[it.escrow].owner == by, E::NotOwner)?;
        let amount = u128::from(amount).min(it.remaining());
        require(amount > 0 || it.pending.is_some(), E::NothingToChange)?;
        it.pending = (amount > 0).then_some(Pending { amount, slot, time, to_wallet });
        Ok(vec![Touched::Allowance(allowance)])
    }

    pub(super) fn allowance_exit(&mut self, allowance: Id, with_wallet: bool) -> Verdict {
        let it = self.allowances[allowance].clone();
        require(it.open, AccountNotInitialized)?;
        let expired = self.time >= it.expiry;
        let waited = |since| self.has_waited(since, self.rules.exit);
        let release = it.pending.filter(|pending| waited((pending.slot, pending.time)));
        let expiry = expired && it.observed.is_some_and(|slot| waited((slot, it.expiry)));
        let observe = expired && it.observed.is_none();
        if release.is_none() && !expiry && !observe {
            let waits = it.pending.is_some() || expired;
            return Err(if waits { E::NotMatured } else { E::NothingToExit }.into());
        }
        let (escrow, owner) = (it.escrow, self.escrows[it.escrow].owner);
        let mut touched = vec![Touched::Escrow(escrow), Touched::Allowance(allowance)];
        if let Some(pending) = release {
            require(with_wallet || !pending.to_wallet, E::DestinationMissing)?;
            let amount = pending.amount.min(it.remaining());
            self.allowances[allowance].released += amount;
            self.allowances[allowance].pending = None;
            if pending.to_wallet {
                self.pay(ESCROW, owner, amount);
                touched.extend([Touched::Person(owner), Touched::Vaults]);
            } else {
                self.escrows[escrow].free += amount;
            }
        }
        if observe {
            self.allowances[allowance].observed = Some(self.slot);
        }
        if expiry {
            let it = &mut self.allowances[allowance];
            let rest = it.remaining();
            it.released += rest;
            it.pending = None;
            self.escrows[escrow].free += rest;
        }
        Ok(touched)
    }

    pub(super) fn voucher_accept(
        &mut self,
        allowance: Id,
        named: Id,
        signer: Id,
        cumulative: u64,
        expiry: i64,
    ) -> Verdict {
        let (time, cumulative) = (self.time, u128::from(cumulative));
        let it = &mut self.allowances[allowance];
        require(it.open, AccountNotInitialized)?;
        let (wallet, limit) = it.voucher.ok_or(E::VouchersNotUsed)?;
        require(wallet == signer, E::WrongSignerKey)?;
        require(named == allowance, E::WrongVoucher)?;
        require(expiry == 0 || time < expiry, E::VoucherExpired)?;
        require(cumulative > limit, E::VoucherStale)?;
        it.voucher = Some((wallet, cumulative));
        Ok(vec![Touched::Allowance(allowance)])
    }

    pub(super) fn allowance_close(&mut self, allowance: Id, by: Id) -> Verdict {
        let it = &self.allowances[allowance];
        let escrow = it.escrow;
        require(it.open, AccountNotInitialized)?;
        require(self.escrows[escrow].owner == by, E::NotOwner)?;
        require(it.remaining() == 0, E::AllowanceNotEmpty)?;
        self.closable(it.opened)?;
        self.allowances[allowance].open = false;
        self.escrows[escrow].allowances -= 1;
        Ok(vec![Touched::Escrow(escrow), Touched::Allowance(allowance)])
    }
}
