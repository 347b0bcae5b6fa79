//! What is shown: receipts of a log, receipts that a log contradicts, two outputs for one ticket.

use std::sync::Arc;

use anchor_lang::AnchorSerialize;
use pinaivu_protocol::evidence::{DisplacedReceipt, LoggedReceipt, PlacedProof, ProofPair};
use pinaivu_protocol::hash::{Hash32, sha256};
use pinaivu_protocol::ids::{CoordinatorId, DeploymentId, NodeId, RequestId, Segment};
use pinaivu_protocol::proof::{Outcome, ProofOfInference, ProofRoot};
use pinaivu_protocol::units::{TokenCount, UnixMillis};

use super::*;
use crate::settings::log;
use crate::settings::served::deployment;

/// Most bytes of one write.
const PART: usize = 700;

/// Evidence accounts that are open at once.
const OPEN: usize = 10;

/// Those before may be slashed only now and then, so that somebody is left to work with.
const SPARED: Id = 2;

impl Chooser<'_> {
    pub(super) fn evidence_action(&mut self) -> Action {
        let all = &self.ledger.evidence;
        let unfinished = |id: Id| {
            let it = &all[id];
            it.open && it.plan.as_ref().is_some_and(|plan| it.written < plan.bytes.len())
        };
        let finished = |id: Id| {
            let it = &all[id];
            it.open && it.plan.as_ref().is_some_and(|plan| it.written == plan.bytes.len())
        };
        let open = all.iter().filter(|it| it.open).count();
        let chosen = match self.random.below(20) {
            0..=3 if open < OPEN => None,
            4..=8 => self.any(all.len(), unfinished).map(|id| self.write(id)),
            9..=12 => self.any(all.len(), finished).map(|id| self.show(id)),
            13..=17 => self.recorded(),
            18 if !all.is_empty() => Some(self.carelessly_written()),
            _ if !all.is_empty() => {
                let evidence = self.fitting(all.len(), |id| all[id].open);
                let by = self.mostly(all[evidence].owner);
                Some(Action::EvidenceClose { evidence, by })
            }
            _ => None,
        };
        chosen.unwrap_or_else(|| self.open_evidence())
    }

    fn open_evidence(&mut self) -> Action {
        let (owner, number) = (self.person(), self.random.below(6) as u64);
        let plan = self.plan().map(Arc::new);
        let len = plan.as_ref().map_or(64, |plan| u32::try_from(plan.bytes.len()).unwrap());
        let len = match self.random.below(24) {
            0 => 0,
            1 => 8_193,
            2 => 8_192,
            3 => len + 1,
            _ => len,
        };
        Action::EvidenceOpen { owner, number, len, plan }
    }

    /// The next part of what its owner means to write.
    fn write(&mut self, evidence: Id) -> Action {
        let it = &self.ledger.evidence[evidence];
        let bytes = it.plan.as_ref().map(|plan| plan.bytes.as_slice()).unwrap_or_default();
        let rest = &bytes[it.written.min(bytes.len())..];
        let part = rest[..rest.len().min(PART)].to_vec();
        let offset = u32::try_from(it.written).unwrap();
        Action::EvidenceWrite { evidence, by: self.mostly(it.owner), offset, bytes: part }
    }

    /// Anything anywhere.
    fn carelessly_written(&mut self) -> Action {
        let all = &self.ledger.evidence;
        let evidence = self.fitting(all.len(), |id| all[id].open);
        let (by, length) = (self.mostly(all[evidence].owner), all[evidence].data.len());
        let offset = u32::try_from(self.random.below(length + 2)).unwrap();
        let bytes = vec![self.random.below(256) as u8; self.random.below(9)];
        Action::EvidenceWrite { evidence, by, offset, bytes }
    }

    /// What is done with recorded receipts.
    fn recorded(&mut self) -> Option<Action> {
        let all = &self.ledger.records;
        if all.is_empty() {
            return None;
        }
        let record = self.fitting(all.len(), |id| all[id].open);
        if self.random.once_in(5) {
            let by = self.random.once_in(6).then(|| self.person());
            return Some(Action::ReceiptClose { record, by });
        }
        let (payouts, nodes, it) = (&self.ledger.payouts, &self.ledger.nodes, &all[record]);
        let own = |id: Id| {
            let payout = &payouts[id];
            payout.coordinator == it.coordinator && nodes[payout.node].address == it.node
        };
        let payout = self.any(payouts.len(), own).filter(|_| !self.random.once_in(8));
        let payout = payout.unwrap_or_else(|| self.payout());
        let (by, with_node) = self.payee(payout);
        Some(Action::DemandOpenRecorded { payout, by, with_node, record })
    }

    /// Shows what is written for what it was meant.
    fn show(&mut self, evidence: Id) -> Action {
        let purpose = self.ledger.evidence[evidence].plan.as_ref().map(|plan| &plan.purpose);
        match purpose.expect("only what has a plan is shown").clone() {
            Purpose::Record { coordinator, epoch, index } => Action::ReceiptRecord {
                coordinator,
                epoch,
                index: if self.random.once_in(12) { index + 1 } else { index },
                head: self.head(coordinator, epoch),
                evidence,
            },
            Purpose::Displaced { coordinator, epoch } => {
                let (signer, retired) = self.accused(Party::Coordinator(coordinator));
                Action::EquivocationLog {
                    coordinator,
                    signer,
                    retired,
                    head: self.head(coordinator, epoch),
                    evidence,
                    other_head: self.random.once_in(12),
                    reporter: self.person(),
                }
            }
            Purpose::Proofs { node, roots } => {
                let (signer, retired) = self.accused(Party::Node(node));
                let reporter = self.person();
                Action::EquivocationNode { node, signer, retired, evidence, roots, reporter }
            }
        }
    }

    /// The closed log that a place needs; sometimes another.
    fn head(&mut self, coordinator: Id, epoch: u32) -> Option<(Id, u32)> {
        let it = &self.ledger.coordinators[coordinator];
        if self.random.once_in(16) {
            let last = self.ledger.coordinators.iter().position(|it| !it.closed.is_empty())?;
            return Some((last, 0));
        }
        (epoch < it.epoch).then_some((coordinator, epoch))
    }

    /// A key that is held to account, with its record where it was retired.
    fn accused(&mut self, party: Party) -> (Id, Option<Id>) {
        let all = &self.ledger.retired;
        let old = self.any(all.len(), |id| all[id].of == party);
        match old.filter(|_| self.random.once_in(2)) {
            Some(id) => (all[id].key, (!self.random.once_in(8)).then_some(id)),
            None => (self.mostly_key(self.ledger.signer(party)), None),
        }
    }

    /// Mostly somebody who can be spared.
    fn culprit(&mut self, length: usize, open: impl Fn(Id) -> bool) -> Id {
        let spared = self.any(length, |id| id >= SPARED && open(id));
        spared.filter(|_| !self.random.once_in(40)).unwrap_or_else(|| self.random.below(length))
    }

    pub(super) fn contradicting_heads(&mut self) -> Action {
        let all = &self.ledger.coordinators;
        let coordinator = self.culprit(all.len(), |id| all[id].open);
        // Mostly nothing that costs a bond, or there would soon be nobody left with one.
        let spared = !self.random.once_in(if coordinator < SPARED { 40 } else { 4 });
        let (signer, retired) = self.accused(Party::Coordinator(coordinator));
        let lie = if spared { Lie::Content } else { self.lie() };
        let reporter = self.person();
        Action::EquivocationHeads { coordinator, signer, retired, lie, reporter }
    }

    /// Something to show, if there is anything.
    fn plan(&mut self) -> Option<Plan> {
        match self.random.below(8) {
            0..=3 => self.logged(),
            4 | 5 => self.displaced(),
            _ => Some(self.proofs()),
        }
    }

    /// A place of an open or closed log: coordinator, epoch, index, the leaf there, its receipt and its
    /// path.
    #[expect(clippy::type_complexity, reason = "used twice, here")]
    fn place(
        &mut self,
        coordinator: Id,
        receipts_only: bool,
    ) -> Option<(u32, u64, [u8; 32], Option<(Id, u64)>, Vec<Hash32>)> {
        let it = &self.ledger.coordinators[coordinator];
        let closed = self
            .any(it.closed.len(), |id| !it.closed[id].leaves.is_empty())
            .filter(|_| self.random.once_in(2));
        let (epoch, leaves, receipts) = match closed {
            Some(number) => {
                let log = &it.closed[number];
                (u32::try_from(number).unwrap(), &log.leaves[..], &log.receipts[..])
            }
            None => (it.epoch, it.leaves.as_slice(), it.receipts.as_slice()),
        };
        let index = self.any(leaves.len(), |id| !receipts_only || receipts[id].is_some())?;
        let mut path = if closed.is_some() {
            log::path(leaves, index)
        } else {
            let (start, len) = log::covering(index, leaves.len());
            log::path(&leaves[start..start + len], index - start)
        };
        if self.random.once_in(12) {
            path.push(Hash32([1; 32]));
        }
        Some((epoch, index as u64, leaves[index], receipts[index], path))
    }

    /// A receipt that is in a log.
    fn logged(&mut self) -> Option<Plan> {
        let coordinator = self.coordinator();
        let (epoch, index, _, shown, path) = self.place(coordinator, true)?;
        let (node, earned) = shown?;
        let mut receipt = receipt(self.ledger, coordinator, (epoch, index), node, earned);
        match self.random.below(24) {
            0 => receipt.head.deployment = DeploymentId(Hash32([1; 32])),
            1 => receipt.head.coordinator = CoordinatorId([1; 32]),
            2 => receipt.head.body = Hash32([1; 32]),
            3 => receipt.head.node_cumulative.0 += 1,
            4 => {
                receipt.body.model = "m".repeat(129);
                receipt.head.body = receipt.body.hash();
            }
            _ => {}
        }
        let purpose = Purpose::Record { coordinator, epoch, index };
        Some(Plan { bytes: bytes(&LoggedReceipt { receipt, path }), purpose })
    }

    /// A receipt in whose place a log has another leaf; or the very one that is there.
    fn displaced(&mut self) -> Option<Plan> {
        let all = &self.ledger.coordinators;
        let logs = |id: Id| !all[id].leaves.is_empty() || !all[id].closed.is_empty();
        let fits = |id: Id| all[id].open && !all[id].slashed && logs(id);
        let coordinator = self.culprit(all.len(), fits);
        let honest = coordinator < SPARED || self.random.once_in(3);
        let (epoch, index, leaf, shown, path) = self.place(coordinator, honest)?;
        let (node, earned) = shown.unwrap_or((0, 7));
        let earned = if honest { earned } else { earned + 1 };
        let receipt = receipt(self.ledger, coordinator, (epoch, index), node, earned);
        let shown = DisplacedReceipt { receipt, leaf: Hash32(leaf), path };
        Some(Plan { bytes: bytes(&shown), purpose: Purpose::Displaced { coordinator, epoch } })
    }

    /// Two outputs of a node for one ticket, under one root or two; or one output shown twice.
    fn proofs(&mut self) -> Plan {
        let all = &self.ledger.nodes;
        let node = self.culprit(all.len(), |id| all[id].open && !all[id].suspended);
        let honest = node < SPARED || self.random.once_in(4);
        let coordinator = self.ledger.coordinators[self.coordinator()].address.to_bytes();
        let one = ProofOfInference {
            deployment: deployment(),
            coordinator: CoordinatorId(coordinator),
            node: NodeId(all[node].address.to_bytes()),
            request: RequestId([1; 16]),
            segment: Segment(0),
            ticket: Hash32([2; 32]),
            model: "m".to_owned(),
            backend: "b".to_owned(),
            response_commitment: Hash32([3; 32]),
            input_tokens: TokenCount(10),
            output_tokens: TokenCount(20),
            outcome: Outcome::Completed,
            finished: UnixMillis(1),
        };
        let mut other = ProofOfInference { finished: UnixMillis(2), ..one.clone() };
        if !honest {
            other.response_commitment = Hash32([4; 32]);
        }
        let mut roots = Vec::new();
        let mut root = |size: u32, root: Hash32| ProofRoot {
            deployment: if self.random.once_in(24) {
                DeploymentId(Hash32([1; 32]))
            } else {
                deployment()
            },
            coordinator: CoordinatorId(coordinator),
            node: NodeId(if self.random.once_in(24) { [1; 32] } else { one.node.0 }),
            size,
            root,
        };
        let (leaf, another) = (one.leaf(), other.leaf());
        let mut paths = [Vec::new(), Vec::new()];
        let together = another.0[0] % 2 == 0;
        if together {
            roots.push(root(2, sha256(&[&[1], &leaf.0, &another.0])));
            paths = [vec![another], vec![leaf]];
        } else {
            roots.extend([root(1, leaf), root(1, another)]);
        }
        let [first, second] = paths;
        let pair = ProofPair {
            first: PlacedProof { proof: one, index: 0, path: first },
            second: PlacedProof { proof: other, index: u32::from(together), path: second },
        };
        Plan { bytes: bytes(&pair), purpose: Purpose::Proofs { node, roots } }
    }
}

fn bytes(record: &impl AnchorSerialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    record.serialize(&mut bytes).unwrap();
    bytes
}
