//! The program's settlement rules, written down a second time: from the interface, not from the
//! program's code or its rule crate, so that both can be wrong only independently.

use std::collections::BTreeMap;

use pinaivu_chain::{
    Addresses, Allowance, Coordinator, Instruction, LogHead, Payout, Pubkey, ToAddress, UnixSeconds,
};
use pinaivu_protocol::hash::{Hash32, sha256};
use pinaivu_protocol::ids::{AllowanceId, MarketId, NodeId, PublicKey};
use pinaivu_protocol::units::{Amount, Slot};

use crate::receipts::fixtures::{FEE_RATE, PROGRAM, account, allowance, identity, signer};

pub(super) const MARKET: MarketId = MarketId([5; 32]);

/// A refused instruction, by a number for each reason.
pub(super) type Refused = u32;

/// Every account that settlement touches.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) coordinator: Coordinator,
    pub(super) allowances: BTreeMap<AllowanceId, Allowance>,
    /// Closed by their owners: nothing is left at the address.
    pub(super) nodes: Vec<NodeId>,
    pub(super) payouts: BTreeMap<NodeId, Payout>,
}

impl State {
    pub(super) fn new() -> Self {
        let coordinator = Coordinator {
            id: identity().coordinator,
            market: MARKET,
            authority: PublicKey([6; 32]),
            signer: signer().public(),
            opening_slot: Slot(1),
            endpoint: String::new(),
            measurement: Hash32::ZERO,
            evidence_hash: Hash32::ZERO,
            guarantee_bond: Amount(0),
            penalty_bond: Amount(0),
            fee: FEE_RATE,
            log: LogHead::default(),
            debited: Amount(0),
            credited: Amount(0),
            fees: Amount(0),
            fees_paid: Amount(0),
            sequence: 0,
            guaranteed: Amount::ZERO,
            advanced: Amount::ZERO,
            guarantee_unbonding: None,
            penalty_unbonding: None,
            slashed: false,
            rent_payer: PublicKey([0; 32]),
        };
        Self {
            coordinator,
            allowances: BTreeMap::new(),
            nodes: Vec::new(),
            payouts: BTreeMap::new(),
        }
    }

    pub(super) fn reserve(&mut self, number: u8, reserved: u64) {
        let account = account(number);
        self.allowances.insert(
            allowance(number),
            Allowance {
                id: allowance(number),
                escrow: account.escrow,
                owner: account.owner,
                coordinator: identity().coordinator,
                opening_slot: Slot(1),
                reserved: Amount(reserved),
                released: Amount(0),
                debited: Amount(0),
                expiry: UnixSeconds(i64::MAX),
                expiry_observed: None,
                pending_release: None,
                sequence: 0,
                vouchers: None,
                rent_payer: PublicKey([0; 32]),
            },
        );
    }

    /// Runs a transaction: all of it or nothing.
    pub(super) fn apply(&mut self, instructions: &[Instruction]) -> Result<(), Refused> {
        let mut next = self.clone();
        for instruction in instructions {
            if instruction.program_id == PROGRAM.to_address() {
                next.apply_one(instruction)?;
            }
        }
        *self = next;
        Ok(())
    }

    fn apply_one(&mut self, instruction: &Instruction) -> Result<(), Refused> {
        let (kind, mut data) = instruction.data.split_at(8);
        let keys: Vec<Pubkey> = instruction.accounts.iter().map(|meta| meta.pubkey).collect();
        let writable = |at: usize| instruction.accounts[at].is_writable;
        let is = |name: &str| kind == &sha256(&[b"global:", name.as_bytes()]).0[..8];
        assert_eq!(keys[0], signer().public().to_address(), "the hot key comes first");
        assert!(instruction.accounts[0].is_signer);
        if is("log_extend") {
            let (epoch, old, new) = (u32_of(&mut data), u64_of(&mut data), u64_of(&mut data));
            let hashes = (0..u32_of(&mut data)).map(|_| hash_of(&mut data)).collect();
            self.log_extend(epoch, old, new, hashes, hash_of(&mut data))
        } else if is("debit") {
            let entries: Vec<u64> = (0..u32_of(&mut data)).map(|_| u64_of(&mut data)).collect();
            assert_eq!(entries.len() + 2, keys.len());
            for (place, asked) in entries.iter().enumerate() {
                assert!(writable(place + 2));
                self.debit(AllowanceId(keys[place + 2].to_bytes()), *asked);
            }
            Ok(())
        } else if is("credit") {
            let entries: Vec<u64> = (0..u32_of(&mut data)).map(|_| u64_of(&mut data)).collect();
            assert_eq!(entries.len() + 3, keys.len());
            for (place, asked) in entries.iter().enumerate() {
                assert!(writable(place + 3));
                self.credit(keys[place + 3], *asked)?;
            }
            self.keep(u64_of(&mut data));
            Ok(())
        } else if is("payout_open") {
            self.payout_open(&keys)
        } else {
            panic!("an instruction that settlement has no business with")
        }
    }

    fn log_extend(
        &mut self,
        epoch: u32,
        old: u64,
        new: u64,
        hashes: Vec<Hash32>,
        expected: Hash32,
    ) -> Result<(), Refused> {
        let log = &mut self.coordinator.log;
        if (epoch, old) != (log.epoch, log.size) || new <= old {
            return Err(1);
        }
        // Design: at position p the largest k with 2^k | p and p + 2^k ≤ new; push, then merge while
        // the bit of p is set.
        let (mut position, mut hashes) = (old, hashes.into_iter());
        while position < new {
            let mut level = 0;
            while position % (1 << (level + 1)) == 0 && position + (1 << (level + 1)) <= new {
                level += 1;
            }
            let mut hash = hashes.next().ok_or(2_u32)?;
            let mut bit = level;
            while position >> bit & 1 == 1 {
                let left = log.peaks.pop().ok_or(3_u32)?;
                hash = sha256(&[&[1], &left.0, &hash.0]);
                bit += 1;
            }
            log.peaks.push(hash);
            position += 1 << level;
        }
        if hashes.next().is_some() {
            return Err(2);
        }
        let mut peaks = log.peaks.iter().rev();
        let last = *peaks.next().ok_or(3_u32)?;
        let root = peaks.fold(last, |right, left| sha256(&[&[1], &left.0, &right.0]));
        if root != expected {
            return Err(4);
        }
        (log.size, log.root) = (new, root);
        Ok(())
    }

    fn debit(&mut self, id: AllowanceId, asked: u64) {
        let Some(allowance) = self.allowances.get_mut(&id) else { return };
        let room = allowance.reserved.0 - allowance.released.0 - allowance.debited.0;
        let taken = asked.saturating_sub(allowance.debited.0).min(room);
        allowance.debited.0 += taken;
        self.coordinator.debited.0 += taken;
    }

    fn credit(&mut self, address: Pubkey, asked: u64) -> Result<(), Refused> {
        let own = &mut self.coordinator;
        let payout = self.payouts.values_mut().find(|payout| payout.address == address);
        let payout = payout.ok_or(5_u32)?;
        let there = own.debited.0 - own.credited.0 - own.fees.0;
        let given = asked.saturating_sub(payout.credited.0).min(there);
        payout.credited.0 += given;
        own.credited.0 += given;
        Ok(())
    }

    fn keep(&mut self, asked: u64) {
        let own = &mut self.coordinator;
        let there = own.debited.0 - own.credited.0 - own.fees.0;
        let limit = u128::from(own.debited.0) * u128::from(own.fee.0) / 10_000;
        let asked = asked.min(u64::try_from(limit).unwrap());
        own.fees.0 += asked.saturating_sub(own.fees.0).min(there);
    }

    fn payout_open(&mut self, keys: &[Pubkey]) -> Result<(), Refused> {
        let coordinator = self.coordinator.id;
        let node = self.nodes.iter().find(|node| keys.contains(&node.to_address()));
        let node = *node.ok_or(6_u32)?;
        let address = Addresses::new(PROGRAM).payout(&coordinator, &node);
        assert!(keys.contains(&address));
        if self.payouts.contains_key(&node) {
            return Err(7);
        }
        let (credited, paid, guarantee) = (Amount(0), Amount(0), Amount(0));
        let payout_owner = PublicKey([1; 32]);
        let payout = Payout {
            address,
            coordinator,
            node,
            payout_owner,
            credited,
            paid,
            guarantee,
            sequence: 0,
            advanced: Amount::ZERO,
            lowering: None,
            demand: None,
            rent_payer: PublicKey([0; 32]),
        };
        self.payouts.insert(node, payout);
        Ok(())
    }

    /// What must hold in every block, and from one block to the next.
    pub(super) fn check_follows(&self, before: &Self) {
        let (own, was) = (&self.coordinator, &before.coordinator);
        assert!(own.credited.0 + own.fees.0 <= own.debited.0);
        assert!(own.debited >= was.debited && own.credited >= was.credited);
        assert!(own.fees >= was.fees && own.log.size >= was.log.size);
        let credited: u64 = self.payouts.values().map(|payout| payout.credited.0).sum();
        assert_eq!(credited, own.credited.0);
        let limit = u128::from(own.debited.0) * u128::from(FEE_RATE.0) / 10_000;
        assert!(u128::from(own.fees.0) <= limit);
        for (node, payout) in &before.payouts {
            assert!(self.payouts[node].credited >= payout.credited);
        }
        for (id, allowance) in &self.allowances {
            assert!(allowance.debited.0 + allowance.released.0 <= allowance.reserved.0);
            assert!(allowance.debited >= before.allowances[id].debited);
        }
    }
}

fn take<const N: usize>(data: &mut &[u8]) -> [u8; N] {
    let (head, rest) = data.split_first_chunk::<N>().unwrap();
    *data = rest;
    *head
}

fn u32_of(data: &mut &[u8]) -> u32 {
    u32::from_le_bytes(take(data))
}

fn u64_of(data: &mut &[u8]) -> u64 {
    u64::from_le_bytes(take(data))
}

fn hash_of(data: &mut &[u8]) -> Hash32 {
    Hash32(take(data))
}
