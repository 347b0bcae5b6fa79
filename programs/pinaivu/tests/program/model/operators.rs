//! What becomes of the instructions of node operators, coordinators and governance.

use anchor_lang::error::ErrorCode::AccountNotInitialized;
use pinaivu::error::PinaivuError as E;
use solana_pubkey::Pubkey;

use super::action::Fault;
use super::ledger::*;
use crate::harness::{
    ALREADY_IN_USE, FEE_CAP, INSUFFICIENT_TOKENS, UNBOND_SECONDS, UNBOND_SLOTS, custom,
};
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
            retired: Vec::new(),
            open: true,
        });
        Ok(vec![Touched::Node(self.nodes.len() - 1)])
    }

    pub(super) fn node_stake(&mut self, node: Id, person: Id, amount: u64) -> Verdict {
        let amount = u128::from(amount);
        require(self.nodes[node].open, AccountNotInitialized)?;
        require(!self.paused, E::MarketPaused)?;
        require(amount > 0, E::AmountZero)?;
        require(self.people[person].holds >= amount, custom(INSUFFICIENT_TOKENS))?;
        self.deposit(person, STAKE, amount);
        self.nodes[node].stake += amount;
        Ok(vec![Touched::Node(node), Touched::Person(person), Touched::Vaults])
    }

    pub(super) fn node_unbond(&mut self, node: Id, by: Id, amount: u64) -> Verdict {
        let (now, amount) = ((self.slot, self.time), u128::from(amount));
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
        require(self.has_waited(it.since, UNBOND_SLOTS, UNBOND_SECONDS), E::NotMatured)?;
        let (amount, operator) = (it.unbonding, it.operator);
        self.nodes[node].unbonding = 0;
        self.pay(STAKE, operator, amount);
        Ok(vec![Touched::Node(node), Touched::Person(operator), Touched::Vaults])
    }

    pub(super) fn node_rotate_signer(&mut self, node: Id, by: Id, signer: Id) -> Verdict {
        let it = &mut self.nodes[node];
        require(it.open, AccountNotInitialized)?;
        require(it.signer != signer, E::NothingToChange)?;
        require(it.operator == by, E::NotOperator)?;
        require(!it.retired.contains(&signer), E::SignerRetired)?;
        it.retired.push(it.signer);
        it.signer = signer;
        Ok(vec![Touched::Node(node)])
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
    ) -> Verdict {
        let taken = self.coordinators.iter().any(|it| it.address == address);
        require(!taken, custom(ALREADY_IN_USE))?;
        require(!self.paused, E::MarketPaused)?;
        require(fee_bps <= FEE_CAP, E::FeeTooHigh)?;
        self.openable(opened)?;
        self.coordinators.push(Coordinator {
            address,
            authority,
            signer,
            fee_bps,
            guarantee: 0,
            penalty: 0,
            debited: 0,
            credited: 0,
            fees: 0,
            fees_paid: 0,
            guarantee_leaving: (0, (0, 0)),
            penalty_leaving: (0, (0, 0)),
            evidence: 0,
            retired: Vec::new(),
            epoch: 0,
            leaves: Vec::new(),
            closed: Vec::new(),
        });
        Ok(vec![Touched::Coordinator(self.coordinators.len() - 1)])
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
        require(self.coordinators[coordinator].authority == by, E::NotAuthority)?;
        require(!self.paused, E::MarketPaused)?;
        require(total > 0, E::AmountZero)?;
        require(total <= u128::from(u64::MAX), E::Overflow)?;
        require(self.people[by].holds >= total, custom(INSUFFICIENT_TOKENS))?;
        self.deposit(by, BOND, total);
        self.coordinators[coordinator].guarantee += guarantee;
        self.coordinators[coordinator].penalty += penalty;
        Ok(vec![Touched::Coordinator(coordinator), Touched::Person(by), Touched::Vaults])
    }

    pub(super) fn coordinator_rotate_signer(
        &mut self,
        coordinator: Id,
        by: Id,
        signer: Id,
    ) -> Verdict {
        let it = &mut self.coordinators[coordinator];
        require(it.signer != signer, E::NothingToChange)?;
        require(it.authority == by, E::NotAuthority)?;
        require(!it.retired.contains(&signer), E::SignerRetired)?;
        it.retired.push(it.signer);
        it.signer = signer;
        // Evidence binds the key it was made for.
        it.evidence = 0;
        Ok(vec![Touched::Coordinator(coordinator)])
    }

    pub(super) fn coordinator_update(&mut self, coordinator: Id, by: Id, value: u8) -> Verdict {
        let it = &mut self.coordinators[coordinator];
        require(it.authority == by, E::NotAuthority)?;
        it.evidence = value;
        Ok(vec![Touched::Coordinator(coordinator)])
    }

    pub(super) fn log_extend(
        &mut self,
        coordinator: Id,
        by: Id,
        new: &[[u8; 32]],
        fault: Fault,
    ) -> Verdict {
        let it = &mut self.coordinators[coordinator];
        require(it.signer == by, E::NotSigner)?;
        match fault {
            Fault::Epoch => return Err(E::EpochMismatch.into()),
            Fault::Size => return Err(E::LogSizeMismatch.into()),
            Fault::None | Fault::Count | Fault::Root => {}
        }
        require(!new.is_empty(), E::LogNotGrowing)?;
        require(fault != Fault::Count, E::LogHashCountWrong)?;
        require(fault != Fault::Root, E::LogRootMismatch)?;
        it.leaves.extend(new);
        Ok(vec![Touched::Coordinator(coordinator)])
    }

    pub(super) fn log_epoch_open(&mut self, coordinator: Id, by: Id, head: Pubkey) -> Verdict {
        let it = &mut self.coordinators[coordinator];
        require(it.authority == by, E::NotAuthority)?;
        it.closed.push((head, it.leaves.len() as u64, log::root(&it.leaves)));
        it.leaves.clear();
        it.epoch += 1;
        Ok(vec![Touched::Coordinator(coordinator)])
    }

    pub(super) fn market_pause(&mut self, by_governance: bool, paused: bool) -> Verdict {
        require(by_governance, E::NotGovernance)?;
        require(self.paused != paused, E::NothingToChange)?;
        self.paused = paused;
        Ok(vec![Touched::Market])
    }
}
