//! What becomes of evidence, recorded receipts and reports of contradictions.
//!
//! The bytes in an evidence account are read here as the protocol's records; what they prove is judged
//! from RFC 9162's recursive definition and the documentation's table of contradictions.

use anchor_lang::AnchorDeserialize;
use anchor_lang::error::ErrorCode::AccountNotInitialized;
use pinaivu_protocol::evidence::{
    DisplacedReceipt, LoggedReceipt, PlacedProof, ProofPair, UnsignedReceipt,
};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{CoordinatorId, NodeId, RequestId, Segment};
use pinaivu_protocol::proof::ProofRoot;
use pinaivu_protocol::receipt::{ReceiptHead, leaf};
use pinaivu_protocol::units::{Amount, FineAmount};

use super::*;
use crate::harness::{ALREADY_IN_USE, custom};
use crate::model::action::Lie;
use crate::settings::log;
use crate::settings::served::{body, deployment};

/// Most bytes of one evidence account.
const LONGEST: u32 = 8_192;

/// An evidence account.
#[derive(Clone, Debug)]
pub(in crate::model) struct Evidence {
    pub(in crate::model) address: Pubkey,
    pub(in crate::model) owner: Id,
    pub(in crate::model) number: u64,
    pub(in crate::model) data: Vec<u8>,
    /// What its owner means to write, and how much of it is there. Nothing is foreseen from it.
    pub(in crate::model) plan: Option<Arc<Plan>>,
    pub(in crate::model) written: usize,
    pub(in crate::model) open: bool,
}

/// What somebody means to show.
#[derive(Clone, Debug)]
pub(in crate::model) struct Plan {
    pub(in crate::model) bytes: Vec<u8>,
    pub(in crate::model) purpose: Purpose,
}

/// And for what.
#[derive(Clone, Debug)]
pub(in crate::model) enum Purpose {
    Record { coordinator: Id, epoch: u32, index: u64 },
    Displaced { coordinator: Id, epoch: u32 },
    Proofs { node: Id, roots: Vec<ProofRoot> },
}

/// A recorded receipt.
#[derive(Clone, Debug)]
pub(in crate::model) struct Record {
    pub(in crate::model) address: Pubkey,
    pub(in crate::model) coordinator: Id,
    pub(in crate::model) node: Pubkey,
    /// What the node had earned in all, rounded down to base units.
    pub(in crate::model) cumulative: u128,
    pub(in crate::model) open: bool,
}

/// The receipt at a place of a coordinator's log which shows that a node earned so much in all.
pub(in crate::model) fn receipt(
    ledger: &Ledger,
    coordinator: Id,
    (epoch, index): (u32, u64),
    node: Id,
    earned: u64,
) -> UnsignedReceipt {
    let body = Box::new(body());
    let mut request = [0; 16];
    request[..8].copy_from_slice(&index.to_le_bytes());
    let head = ReceiptHead {
        deployment: deployment(),
        coordinator: CoordinatorId(ledger.coordinators[coordinator].address.to_bytes()),
        epoch,
        index,
        request: RequestId(request),
        segment: Segment(0),
        node: NodeId(ledger.nodes[node].address.to_bytes()),
        // A fraction of a unit more, which is rounded away.
        node_cumulative: FineAmount(Amount(earned).to_fine().0 + 999_999),
        body: body.hash(),
    };
    UnsignedReceipt { head, body }
}

impl Ledger {
    pub(super) fn evidence_open(
        &mut self,
        address: Pubkey,
        owner: Id,
        number: u64,
        len: u32,
        plan: Option<Arc<Plan>>,
    ) -> Verdict {
        let place = self.evidence.iter().position(|it| it.address == address);
        let taken = place.is_some_and(|id| self.evidence[id].open);
        require(!taken, custom(ALREADY_IN_USE))?;
        require(len > 0 && len <= LONGEST, E::EvidenceOutOfRange)?;
        let data = vec![0; usize::try_from(len).unwrap()];
        let opened = Evidence { address, owner, number, data, plan, written: 0, open: true };
        let place = place.unwrap_or(self.evidence.len());
        self.evidence.splice(place..(place + 1).min(self.evidence.len()), [opened]);
        Ok(vec![Touched::Evidence(place)])
    }

    pub(super) fn evidence_write(
        &mut self,
        evidence: Id,
        by: Id,
        offset: u32,
        bytes: &[u8],
    ) -> Verdict {
        let it = &mut self.evidence[evidence];
        require(it.open, AccountNotInitialized)?;
        require(it.owner == by, E::NotOwner)?;
        let start = usize::try_from(offset).unwrap();
        let end = start + bytes.len();
        require(end <= it.data.len(), E::EvidenceOutOfRange)?;
        it.data[start..end].copy_from_slice(bytes);
        if start == it.written {
            it.written = end;
        }
        Ok(vec![Touched::Evidence(evidence)])
    }

    pub(super) fn evidence_close(&mut self, evidence: Id, by: Id) -> Verdict {
        let it = &mut self.evidence[evidence];
        require(it.open, AccountNotInitialized)?;
        require(it.owner == by, E::NotOwner)?;
        it.open = false;
        Ok(vec![Touched::Evidence(evidence)])
    }

    fn read<T: AnchorDeserialize>(&self, evidence: Id) -> Result<T, Refusal> {
        T::try_from_slice(&self.evidence[evidence].data).map_err(|_| E::EvidenceMalformed.into())
    }

    /// A receipt of this deployment and coordinator; gives its leaf.
    fn own(&self, coordinator: Id, receipt: &UnsignedReceipt) -> Result<Hash, Refusal> {
        let (head, body) = (&receipt.head, &receipt.body);
        require(head.deployment == deployment(), E::WrongDeployment)?;
        let own = self.coordinators[coordinator].address.to_bytes();
        require(head.coordinator.0 == own, E::WrongCoordinator)?;
        require(head.body == body.hash(), E::EvidenceMalformed)?;
        Ok(leaf(head, body).0)
    }

    /// A leaf that a path places in a coordinator's log: under the complete subtree that covers the
    /// place while the log is open, under the root once it is closed.
    fn included(
        &self,
        coordinator: Id,
        closed: Option<(Id, u32)>,
        head: &ReceiptHead,
        leaf: Hash,
        path: &[Hash32],
    ) -> Result<(), Refusal> {
        let it = &self.coordinators[coordinator];
        let index = usize::try_from(head.index).unwrap_or(usize::MAX);
        let found = if head.epoch == it.epoch {
            index < it.leaves.len() && {
                let (start, len) = log::covering(index, it.leaves.len());
                let peak = log::root(&it.leaves[start..start + len]);
                log::rebuilt(leaf, index - start, len, path) == Some(peak)
            }
        } else {
            let (of, epoch) = closed.ok_or(E::EpochMismatch)?;
            require(of == coordinator, E::WrongCoordinator)?;
            require(epoch == head.epoch, E::EpochMismatch)?;
            let log = &it.closed[usize::try_from(epoch).unwrap()];
            index < log.leaves.len()
                && log::rebuilt(leaf, index, log.leaves.len(), path) == Some(log.root)
        };
        require(found, E::NotIncluded)
    }

    pub(super) fn receipt_record(
        &mut self,
        address: Pubkey,
        coordinator: Id,
        place: (u32, u64),
        closed: Option<(Id, u32)>,
        evidence: Id,
    ) -> Verdict {
        let there = self.coordinators[coordinator].open && self.evidence[evidence].open;
        require(there, AccountNotInitialized)?;
        let known = self.records.iter().position(|it| it.address == address);
        let taken = known.is_some_and(|id| self.records[id].open);
        require(!taken, custom(ALREADY_IN_USE))?;
        let shown: LoggedReceipt = self.read(evidence)?;
        let head = shown.receipt.head;
        let leaf = self.own(coordinator, &shown.receipt)?;
        require((head.epoch, head.index) == place, E::EvidenceMalformed)?;
        require(shown.receipt.body.model.len() <= 128, E::ModelTooLong)?;
        self.included(coordinator, closed, &head, leaf, &shown.path)?;
        let node = Pubkey::new_from_array(head.node.0);
        let cumulative = head.node_cumulative.0 / 1_000_000;
        let record = Record { address, coordinator, node, cumulative, open: true };
        if let Some(before) = known.map(|id| &self.records[id]) {
            // One place of one log, one receipt.
            assert_eq!((before.node, before.cumulative), (node, cumulative));
        }
        let known = known.unwrap_or(self.records.len());
        self.records.splice(known..(known + 1).min(self.records.len()), [record]);
        Ok(vec![Touched::Record(known)])
    }

    pub(super) fn receipt_close(&mut self, record: Id, by: Option<Id>) -> Verdict {
        let it = &mut self.records[record];
        require(it.open, AccountNotInitialized)?;
        require(by.is_none(), E::WrongRentReceiver)?;
        it.open = false;
        Ok(vec![Touched::Record(record)])
    }

    fn shown_is_there(&self, retired: Option<Id>) -> bool {
        retired.is_none_or(|id| self.retired[id].open)
    }

    pub(super) fn equivocation_heads(
        &mut self,
        coordinator: Id,
        signer: Id,
        retired: Option<Id>,
        lie: Lie,
        reporter: Id,
    ) -> Verdict {
        let there = self.coordinators[coordinator].open && self.shown_is_there(retired);
        require(there, AccountNotInitialized)?;
        self.accountable(Party::Coordinator(coordinator), signer, retired)?;
        match lie {
            Lie::None => self.slash_coordinator(coordinator, reporter),
            Lie::Deployment => Err(E::WrongDeployment.into()),
            Lie::Coordinator => Err(E::WrongCoordinator.into()),
            Lie::Content => Err(E::NotContradictory.into()),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "each is one account of the instruction")]
    pub(super) fn equivocation_log(
        &mut self,
        coordinator: Id,
        signer: Id,
        retired: Option<Id>,
        closed: Option<(Id, u32)>,
        evidence: Id,
        other_head: bool,
        reporter: Id,
    ) -> Verdict {
        let there = self.coordinators[coordinator].open && self.shown_is_there(retired);
        require(there && self.evidence[evidence].open, AccountNotInitialized)?;
        let shown: DisplacedReceipt = self.read(evidence)?;
        let leaf = self.own(coordinator, &shown.receipt)?;
        self.accountable(Party::Coordinator(coordinator), signer, retired)?;
        require(!other_head, E::SignedBytesMalformed)?;
        let head = shown.receipt.head;
        self.included(coordinator, closed, &head, shown.leaf.0, &shown.path)?;
        require(leaf != shown.leaf.0, E::NotContradictory)?;
        self.slash_coordinator(coordinator, reporter)
    }

    fn slash_coordinator(&mut self, coordinator: Id, reporter: Id) -> Verdict {
        let it = &mut self.coordinators[coordinator];
        require(!it.slashed, E::CoordinatorSlashed)?;
        let total = it.penalty + it.penalty_leaving.0;
        (it.penalty, it.penalty_leaving) = (0, (0, (0, 0)));
        it.slashed = true;
        self.slash(BOND, total, reporter);
        Ok(vec![Touched::Coordinator(coordinator), Touched::Person(reporter), Touched::Vaults])
    }

    pub(super) fn equivocation_node(
        &mut self,
        node: Id,
        signer: Id,
        retired: Option<Id>,
        evidence: Id,
        roots: &[ProofRoot],
        reporter: Id,
    ) -> Verdict {
        let there = self.nodes[node].open && self.shown_is_there(retired);
        require(there && self.evidence[evidence].open, AccountNotInitialized)?;
        let ProofPair { first, second } = self.read(evidence)?;
        let (Some(one), Some(other)) = (roots.first(), roots.last()) else {
            return Err(E::SignatureMalformed.into());
        };
        for (root, placed) in [(one, &first), (other, &second)] {
            self.accountable(Party::Node(node), signer, retired)?;
            require(root.deployment == deployment(), E::WrongDeployment)?;
            require(root.node.0 == self.nodes[node].address.to_bytes(), E::WrongNode)?;
            require(is_under(placed, root), E::NotIncluded)?;
        }
        let (one, other) = (&first.proof, &second.proof);
        let same = one.ticket == other.ticket && one.coordinator == other.coordinator;
        let outputs =
            [one, other].map(|it| (it.response_commitment, it.input_tokens.0, it.output_tokens.0));
        require(same && outputs[0] != outputs[1], E::NotContradictory)?;
        let it = &mut self.nodes[node];
        require(!it.suspended, E::NodeSuspended)?;
        let total = it.stake + it.unbonding;
        (it.stake, it.unbonding, it.since) = (0, 0, (0, 0));
        it.suspended = true;
        self.slash(STAKE, total, reporter);
        Ok(vec![Touched::Node(node), Touched::Person(reporter), Touched::Vaults])
    }
}

/// A proof of the root's parties, at its place under the root.
fn is_under(placed: &PlacedProof, root: &ProofRoot) -> bool {
    let (proof, size) = (&placed.proof, usize::try_from(root.size).unwrap());
    let index = usize::try_from(placed.index).unwrap();
    let same = proof.deployment == root.deployment
        && proof.coordinator == root.coordinator
        && proof.node == root.node;
    let rebuilt = || log::rebuilt(proof.leaf().0, index, size, &placed.path);
    same && size <= 64 && index < size && rebuilt() == Some(root.root.0)
}
