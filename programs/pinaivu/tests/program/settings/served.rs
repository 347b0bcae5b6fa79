//! A node that served for a coordinator whose guarantee bond stands for it, with receipts and a log.

use anchor_lang::AnchorSerialize;
use pinaivu::state::{Coordinator as CoordinatorAccount, Payout};
use pinaivu_protocol::evidence::{LoggedReceipt, UnsignedReceipt};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{
    ClusterId, CoordinatorId, DeploymentId, NodeId, ProgramId, RequestId, Segment,
};
use pinaivu_protocol::proof::Outcome;
use pinaivu_protocol::receipt::{AuctionDigest, OwnerCommitments, ReceiptBody, ReceiptHead};
use pinaivu_protocol::units::{
    Amount, Bps, FineAmount, Tariff, TokenCount, TokenPrice, UnixMillis,
};
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use super::log::{Hash, covering, extension, path};
use crate::harness::*;

/// The guarantee bond.
pub(crate) const BOND: u64 = 1_000;
/// What of it stands for the node.
pub(crate) const GUARANTEE: u64 = 300;

pub(crate) struct Setting {
    pub(crate) world: World,
    pub(crate) market: Market,
    pub(crate) alice: Actor,
    pub(crate) allowance: Pubkey,
    pub(crate) coordinator: Coordinator,
    pub(crate) node: Node,
    pub(crate) payout: Pubkey,
    /// Leaves of the log so far.
    pub(crate) leaves: Vec<Hash>,
    evidence: u64,
}

/// 1,000 bonded, 300 of them for the node; alice has reserved 5,000; nothing settled, an empty log.
pub(crate) fn setting() -> Setting {
    let mut world = World::new();
    let market = world.market;
    let alice = world.actor(10_000);
    let escrow = world.escrow(&alice, 10_000);
    let mut coordinator = world.coordinator();
    coordinator.authority.tokens =
        world.token_account(&market, &coordinator.authority.address(), BOND);
    let bond = world.coordinator_bond(&market, &coordinator, BOND, 0);
    world.ok(&bond, &[&coordinator.authority.key]);
    let allowance = world.allowance(&alice, &escrow, &coordinator, 5_000);
    let node = world.node();
    let payout = world.payout(&coordinator, &node);
    let set = world.guarantee_set(&coordinator, &payout, GUARANTEE);
    world.ok(&set, &[&coordinator.authority.key]);
    let (leaves, evidence) = (Vec::new(), 0);
    Setting { world, market, alice, allowance, coordinator, node, payout, leaves, evidence }
}

/// This cluster and program.
pub(crate) fn deployment() -> DeploymentId {
    DeploymentId::new(&ClusterId(GENESIS), &ProgramId(pinaivu::ID.to_bytes()))
}

/// What every receipt here says besides its head.
pub(crate) fn body() -> ReceiptBody {
    let hash = |byte| Hash32([byte; 32]);
    ReceiptBody {
        model: "test/model-1b".to_owned(),
        ticket: hash(1),
        request_commitment: hash(2),
        response_commitment: hash(3),
        input_tokens: TokenCount(10),
        output_tokens: TokenCount(20),
        tariff: Tariff { price: TokenPrice(100), input_weight: 1, output_weight: 3 },
        amount: FineAmount(7_000),
        fee: FineAmount(700),
        fee_rate: Bps(1_000),
        outcome: Outcome::Cancelled,
        auction: AuctionDigest {
            book_head: hash(4),
            candidates: 2,
            winner_ask: TokenPrice(90),
            best_losing_ask: None,
        },
        owner: OwnerCommitments { escrow: hash(5), allowance: hash(6), cumulative: hash(7) },
        statement: None,
        attestation: None,
        created: UnixMillis(1_700_000_000_123),
    }
}

impl Setting {
    /// The same around what there is: a log without leaves, no evidence.
    pub(crate) fn of(
        world: World,
        alice: Actor,
        allowance: Pubkey,
        coordinator: Coordinator,
        node: Node,
        payout: Pubkey,
    ) -> Self {
        let (market, leaves, evidence) = (world.market, Vec::new(), 0);
        Self { world, market, alice, allowance, coordinator, node, payout, leaves, evidence }
    }

    /// A receipt that is number `index` of the log and shows that the node earned `earned` in all.
    pub(crate) fn receipt(&self, index: u64, earned: u64) -> UnsignedReceipt {
        let body = Box::new(body());
        let mut request = [0; 16];
        request[..8].copy_from_slice(&index.to_le_bytes());
        let head = ReceiptHead {
            deployment: deployment(),
            coordinator: CoordinatorId(self.coordinator.address.to_bytes()),
            epoch: self.coordinator().log.epoch,
            index,
            request: RequestId(request),
            segment: Segment(0),
            node: NodeId(self.node.address.to_bytes()),
            // A fraction of a unit more, which is rounded away.
            node_cumulative: FineAmount(Amount(earned).to_fine().0 + 999_999),
            body: body.hash(),
        };
        UnsignedReceipt { head, body }
    }

    /// The head of such a receipt.
    pub(crate) fn head(&self, earned: u64) -> ReceiptHead {
        self.receipt(0, earned).head
    }

    /// Puts leaves into the log on chain.
    pub(crate) fn append(&mut self, leaves: &[Hash]) {
        let old = self.leaves.len();
        self.leaves.extend_from_slice(leaves);
        let epoch = self.coordinator().log.epoch;
        let extension = extension(epoch, &self.leaves, old, self.leaves.len());
        let extend = self.world.log_extend(&self.coordinator, extension);
        self.world.ok(&extend, &[&self.coordinator.signer]);
    }

    /// Puts receipts into the log on chain, with `others` leaves after them.
    pub(crate) fn log(&mut self, receipts: &[UnsignedReceipt], others: u64) {
        let mut leaves: Vec<Hash> = receipts.iter().map(|it| it.leaf().unwrap().0).collect();
        leaves.extend(super::log::leaves(others));
        self.append(&leaves);
    }

    /// The path of a leaf to the peak that covers it.
    pub(crate) fn peak_path(&self, index: usize) -> Vec<Hash32> {
        let (start, len) = covering(index, self.leaves.len());
        path(&self.leaves[start..start + len], index - start)
    }

    /// The path of a leaf to the root.
    pub(crate) fn root_path(&self, index: usize) -> Vec<Hash32> {
        path(&self.leaves, index)
    }

    /// Puts evidence on chain as its owner, in parts that fit transactions.
    pub(crate) fn evidence(&mut self, record: &impl AnchorSerialize) -> Pubkey {
        let mut bytes = Vec::new();
        record.serialize(&mut bytes).unwrap();
        self.evidence_bytes(&bytes)
    }

    /// The same with any bytes.
    pub(crate) fn evidence_bytes(&mut self, bytes: &[u8]) -> Pubkey {
        self.evidence += 1;
        let owner = self.world.payer.pubkey();
        let len = u32::try_from(bytes.len()).unwrap();
        let (evidence, open) = self.world.evidence_open(&owner, self.evidence, len);
        self.world.ok(&open, &[]);
        for (part, bytes) in bytes.chunks(800).enumerate() {
            let offset = u32::try_from(part * 800).unwrap();
            let write = self.world.evidence_write(&owner, &evidence, offset, bytes);
            self.world.ok(&write, &[]);
        }
        evidence
    }

    /// Puts a receipt of the open epoch with its path on chain.
    pub(crate) fn logged(&mut self, receipt: &UnsignedReceipt) -> Pubkey {
        let index = usize::try_from(receipt.head.index).unwrap();
        let path = self.peak_path(index);
        self.evidence(&LoggedReceipt { receipt: receipt.clone(), path })
    }

    /// Records it.
    pub(crate) fn record(&mut self, receipt: &UnsignedReceipt) -> Pubkey {
        let evidence = self.logged(receipt);
        let place = (receipt.head.epoch, receipt.head.index);
        let coordinator = self.coordinator.address;
        let (record, pin) =
            self.world.receipt_record(&self.market, &coordinator, place, None, &evidence);
        self.world.ok(&pin, &[]);
        record
    }

    /// The transaction in which the payout owner demands what a head signed by `key` shows.
    pub(crate) fn demand(&self, key: &Keypair, head: &ReceiptHead) -> [Instruction; 2] {
        let owner = self.node.payout_owner.address();
        let open = self.world.demand_open(&self.market, &self.payout, &owner);
        [verify_records(&[(key, head)]), open]
    }

    /// Opens a demand for `earned` and lets the liveness period pass.
    pub(crate) fn demand_and_wait(&mut self, earned: u64) {
        let head = self.head(earned);
        let transaction = self.demand(&self.coordinator.signer, &head);
        let owner = self.node.payout_owner.key.insecure_clone();
        self.world.sends(&transaction, &[&owner]);
        self.world.pass(LIVENESS_SLOTS, LIVENESS_SECONDS);
    }

    pub(crate) fn settle_demand(&self) -> Instruction {
        let tokens = self.node.payout_owner.tokens;
        self.world.demand_settle(&self.market, &self.payout, &tokens)
    }

    pub(crate) fn refill(&self) -> Instruction {
        self.world.guarantee_refill(&self.market, &self.coordinator.address, &self.payout)
    }

    pub(crate) fn claim(&self) -> Instruction {
        self.world.claim(&self.market, &self.payout, &self.node.payout_owner.tokens)
    }

    /// Debits and credits up to these cumulatives.
    pub(crate) fn settle(&mut self, debited: u64, credited: u64) {
        let debit = self.world.debit(&self.coordinator, &[(self.allowance, debited)]);
        self.world.ok(&debit, &[&self.coordinator.signer]);
        let credit =
            self.world.credit(&self.market, &self.coordinator, &[(self.payout, credited)], 0);
        self.world.ok(&credit, &[&self.coordinator.signer]);
    }

    pub(crate) fn coordinator(&self) -> CoordinatorAccount {
        self.world.read(&self.coordinator.address)
    }

    pub(crate) fn payout(&self) -> Payout {
        self.world.read(&self.payout)
    }

    /// What the node has got.
    pub(crate) fn got(&self) -> u64 {
        self.world.tokens(&self.node.payout_owner.tokens)
    }
}
