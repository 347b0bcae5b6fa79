//! What becomes of the instructions of node operators and coordinators.

use anchor_lang::error::ErrorCode::AccountNotInitialized;

use super::*;
use crate::harness::{ALREADY_IN_USE, INSUFFICIENT_TOKENS, custom};
use crate::model::action::{Fault, Leaf};
use crate::settings::log;

impl Ledger {
    pub(super) fn node_register(
        &mut self,
        address: Pubkey,
        [operator, payout_owner, signer]: [Id; 3],
        opened: u64,
    ) -> Verdict {
        let taken = self.nodes.iter().any(|it| it.open && it.address == address);
        require(!taken, custom(ALREADY_IN_USE))?;
        require(!self.paused, E::MarketPaused)?;
        self.openable(opened)?;
        self.nodes.push(Node {
            address,
            operator,
            signer,
            payout_owner,
            opened,
            stake: 0,
            unbonding: 0,
            since: (0, 0),
            suspended: false,
            open: true,
        });
        Ok(vec![Touched::Node(self.nodes.len() - 1)])
    }

    pub(super) fn node_stake(&mut self, node: Id, person: Id, amount: u64) -> Verdict {
        let amount = u128::from(amount);
        require(self.nodes[node].open, AccountNotInitialized)?;
        require(!self.paused, E::MarketPaused)?;
        require(!self.nodes[node].suspended, E::NodeSuspended)?;
        require(amount > 0, E::AmountZero)?;
        require(self.people[person].holds >= amount, custom(INSUFFICIENT_TOKENS))?;
        self.deposit(person, STAKE, amount);
        self.nodes[node].stake += amount;
        Ok(vec![Touched::Node(node), Touched::Person(person), Touched::Vaults])
    }

    pub(super) fn node_unbond(&mut self, node: Id, by: Id, amount: u64) -> Verdict {
        let (now, amount) = (self.now(), u128::from(amount));
        let it = &mut self.nodes[node];
        require(it.open, AccountNotInitialized)?;
        require(it.operator == by, E::NotOperator)?;
        require(amount > 0, E::AmountZero)?;
        require(it.stake >= amount, E::InsufficientStake)?;
        it.stake -= amount;
        it.unbonding += amount;
        it.since = now;
        Ok(vec![Touched::Node(node)])
    }

    pub(super) fn node_unbond_claim(&mut self, node: Id) -> Verdict {
        let it = &self.nodes[node];
        require(it.open, AccountNotInitialized)?;
        require(it.unbonding > 0, E::NothingUnbonding)?;
        require(self.has_waited(it.since, self.rules.unbond), E::NotMatured)?;
        let (amount, operator) = (it.unbonding, it.operator);
        self.nodes[node].unbonding = 0;
        self.pay(STAKE, operator, amount);
        Ok(vec![Touched::Node(node), Touched::Person(operator), Touched::Vaults])
    }

    /// `address` is where the old key's record goes.
    pub(super) fn node_rotate_signer(
        &mut self,
        address: Pubkey,
        node: Id,
        by: Id,
        signer: Id,
    ) -> Verdict {
        let it = &self.nodes[node];
        require(it.open, AccountNotInitialized)?;
        require(it.signer != signer, E::NothingToChange)?;
        require(it.operator == by, E::NotOperator)?;
        let retired = self.retire(Party::Node(node), signer, address)?;
        self.nodes[node].signer = signer;
        Ok(vec![Touched::Node(node), Touched::Retired(retired)])
    }

    /// Retires a party's key for another, which must not be retired itself.
    fn retire(&mut self, of: Party, signer: Id, address: Pubkey) -> Result<Id, Refusal> {
        require(self.retired(of, signer).is_none(), E::SignerRetired)?;
        let (key, since) = (self.signer(of), self.now());
        let record = Retired { address, of, key, since, open: true };
        let place = self.retired.iter().position(|it| it.address == address);
        let place = place.unwrap_or(self.retired.len());
        self.retired.splice(place..(place + 1).min(self.retired.len()), [record]);
        Ok(place)
    }

    pub(super) fn signer_close(&mut self, retired: Id) -> Verdict {
        let it = &self.retired[retired];
        require(it.open, AccountNotInitialized)?;
        require(self.has_waited(it.since, self.rules.unbond), E::SignerAccountable)?;
        self.retired[retired].open = false;
        Ok(vec![Touched::Retired(retired)])
    }

    pub(super) fn node_close(&mut self, node: Id, by: Id) -> Verdict {
        let it = &self.nodes[node];
        require(it.open, AccountNotInitialized)?;
        require(it.operator == by, E::NotOperator)?;
        require(it.stake + it.unbonding == 0, E::NodeNotEmpty)?;
        self.closable(it.opened)?;
        self.nodes[node].open = false;
        Ok(vec![Touched::Node(node)])
    }

    pub(super) fn coordinator_register(
        &mut self,
        address: Pubkey,
        [authority, signer]: [Id; 2],
        opened: u64,
        fee_bps: u16,
        measurement: Id,
    ) -> Verdict {
        self.listed_or_none(measurement)?;
        let taken = self.coordinators.iter().any(|it| it.open && it.address == address);
        require(!taken, custom(ALREADY_IN_USE))?;
        require(!self.paused, E::MarketPaused)?;
        require(fee_bps <= self.rules.fee_cap, E::FeeTooHigh)?;
        self.openable(opened)?;
        self.coordinators.push(Coordinator {
            address,
            authority,
            signer,
            opened,
            fee_bps,
            guarantee: 0,
            penalty: 0,
            debited: 0,
            credited: 0,
            fees: 0,
            fees_paid: 0,
            guarantee_leaving: (0, (0, 0)),
            penalty_leaving: (0, (0, 0)),
            measurement,
            evidence: 0,
            slashed: false,
            epoch: 0,
            leaves: Vec::new(),
            receipts: Vec::new(),
            closed: Vec::new(),
            abandoned: 0,
            open: true,
        });
        Ok(vec![Touched::Coordinator(self.coordinators.len() - 1)])
    }

    /// A measurement is given with its entry on the list, which must be there.
    fn listed_or_none(&self, measurement: Id) -> Result<(), Refusal> {
        require(measurement == 0 || self.listed[measurement], AccountNotInitialized)
    }

    pub(super) fn coordinator_bond(
        &mut self,
        coordinator: Id,
        by: Id,
        guarantee: u64,
        penalty: u64,
    ) -> Verdict {
        let (guarantee, penalty) = (u128::from(guarantee), u128::from(penalty));
        let total = guarantee + penalty;
        let it = &self.coordinators[coordinator];
        require(it.open, AccountNotInitialized)?;
        require(it.authority == by, E::NotAuthority)?;
        require(!self.paused, E::MarketPaused)?;
        require(total > 0, E::AmountZero)?;
        require(!it.slashed || penalty == 0, E::CoordinatorSlashed)?;
        require(total <= u128::from(u64::MAX), E::Overflow)?;
        require(self.people[by].holds >= total, custom(INSUFFICIENT_TOKENS))?;
        self.deposit(by, BOND, total);
        self.coordinators[coordinator].guarantee += guarantee;
        self.coordinators[coordinator].penalty += penalty;
        Ok(vec![Touched::Coordinator(coordinator), Touched::Person(by), Touched::Vaults])
    }

    /// `address` is where the old key's record goes.
    pub(super) fn coordinator_rotate_signer(
        &mut self,
        address: Pubkey,
        coordinator: Id,
        by: Id,
        signer: Id,
    ) -> Verdict {
        let it = &self.coordinators[coordinator];
        require(it.open, AccountNotInitialized)?;
        require(it.signer != signer, E::NothingToChange)?;
        require(it.authority == by, E::NotAuthority)?;
        let retired = self.retire(Party::Coordinator(coordinator), signer, address)?;
        let it = &mut self.coordinators[coordinator];
        it.signer = signer;
        // Evidence binds the key it was made for.
        it.evidence = 0;
        Ok(vec![Touched::Coordinator(coordinator), Touched::Retired(retired)])
    }

    pub(super) fn coordinator_update(
        &mut self,
        coordinator: Id,
        by: Id,
        value: u8,
        measurement: Option<Id>,
    ) -> Verdict {
        require(self.coordinators[coordinator].open, AccountNotInitialized)?;
        self.listed_or_none(measurement.unwrap_or_default())?;
        let it = &mut self.coordinators[coordinator];
        require(it.authority == by, E::NotAuthority)?;
        it.evidence = value;
        it.measurement = measurement.unwrap_or(it.measurement);
        Ok(vec![Touched::Coordinator(coordinator)])
    }

    /// Whoever is owed anything by it, or by its bonds, comes first; what it debited and gave to nobody
    /// is nobody's from now on.
    pub(super) fn coordinator_close(&mut self, coordinator: Id, by: Id) -> Verdict {
        let promised = self.promised(coordinator);
        let own = self.payouts.iter().filter(|it| it.coordinator == coordinator);
        let advanced: u128 = own.map(|it| it.advanced).sum();
        let it = &self.coordinators[coordinator];
        require(it.open, AccountNotInitialized)?;
        require(it.authority == by, E::NotAuthority)?;
        let bonds = it.guarantee + it.guarantee_leaving.0 + it.penalty + it.penalty_leaving.0;
        let empty = bonds == 0 && promised == 0 && advanced == 0 && it.fees == it.fees_paid;
        require(empty, E::CoordinatorNotEmpty)?;
        self.closable(it.opened)?;
        let it = &mut self.coordinators[coordinator];
        it.abandoned = it.undistributed();
        it.open = false;
        self.gifts[ESCROW] += it.abandoned;
        Ok(vec![Touched::Coordinator(coordinator), Touched::Vaults])
    }

    pub(super) fn log_extend(
        &mut self,
        coordinator: Id,
        by: Id,
        new: &[Leaf],
        fault: Fault,
    ) -> Verdict {
        let it = &mut self.coordinators[coordinator];
        require(it.open, AccountNotInitialized)?;
        require(it.signer == by, E::NotSigner)?;
        match fault {
            Fault::Epoch => return Err(E::EpochMismatch.into()),
            Fault::Size => return Err(E::LogSizeMismatch.into()),
            Fault::None | Fault::Count | Fault::Root => {}
        }
        require(!new.is_empty(), E::LogNotGrowing)?;
        require(fault != Fault::Count, E::LogHashCountWrong)?;
        require(fault != Fault::Root, E::LogRootMismatch)?;
        it.leaves.extend(new.iter().map(|(leaf, _)| *leaf));
        it.receipts.extend(new.iter().map(|(_, receipt)| *receipt));
        Ok(vec![Touched::Coordinator(coordinator)])
    }

    pub(super) fn log_epoch_open(&mut self, coordinator: Id, by: Id, address: Pubkey) -> Verdict {
        let it = &mut self.coordinators[coordinator];
        require(it.open, AccountNotInitialized)?;
        require(it.authority == by, E::NotAuthority)?;
        let leaves: Arc<[Hash]> = std::mem::take(&mut it.leaves).into();
        let receipts = std::mem::take(&mut it.receipts).into();
        it.closed.push(ClosedLog { address, root: log::root(&leaves), leaves, receipts });
        it.epoch += 1;
        Ok(vec![Touched::Coordinator(coordinator)])
    }
}
