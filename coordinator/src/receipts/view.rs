//! A receipt as JSON, for `GET /v1/receipts/{request_id}`: public, so it shows nothing of who paid but
//! the commitments, and never a debit's signature, which would name the allowance.
//!
//! `bytes` is the receipt; every other member is a convenience that a verifier derives again from it.
//! Money in fine units is a string of digits, because JSON readers lose digits beyond 2⁵³.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{PublicKey, RequestId, Segment};
use pinaivu_protocol::proof::{NodeEvidence, Outcome, ProofOfInference, ProofRoot};
use pinaivu_protocol::receipt::{
    AuctionDigest, OwnerCommitments, Receipt, ReceiptBody, ReceiptHead,
};
use pinaivu_protocol::units::{Amount, Bps, Slot, Tariff, TokenCount, UnixMillis};
use serde::Serialize;

use super::{EpochTree, Receipts};
use crate::store::{EntryKind, Read, SettlementRecord, SettlementState, StoreError, StoredReceipt};

/// The head of the log as the chain holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Anchor {
    /// Epoch of the log.
    pub epoch: u32,
    /// Leaves in it.
    pub size: u64,
    /// RFC 9162 root over them.
    #[serde(serialize_with = "pinaivu_protocol::signed::as_display")]
    pub root: Hash32,
    /// A slot in which the chain held it.
    pub slot: Slot,
}

/// What is known of a request's receipts.
#[derive(Clone, Debug, PartialEq)]
pub enum ReceiptsView {
    /// At least one receipt is durable.
    Found(Box<RequestReceipts>),
    /// The request is being served, or its receipt is on its way to the disk. Ask again.
    Pending,
    /// No such request, or none that was ever charged.
    Unknown,
}

/// All receipts of one request.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RequestReceipts {
    /// Which request.
    pub request_id: RequestId,
    /// By segment.
    pub receipts: Vec<ReceiptView>,
}

/// One receipt.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReceiptView {
    /// Which part of the request.
    pub segment: Segment,
    /// The signed part.
    pub head: ReceiptHead,
    /// Every other fact.
    pub body: BodyView,
    /// Whose signature is on the head.
    pub signer: PublicKey,
    /// The signature, in base58.
    pub signature: String,
    /// `Receipt::encode` in base64 (standard alphabet, padded).
    pub bytes: String,
    /// That the log has it.
    pub inclusion: InclusionView,
    /// The chain's log head, once that covers it.
    pub anchored: Option<Anchor>,
    /// How far it has been settled.
    pub settlement: SettlementView,
}

/// A receipt's body.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "as in ReceiptBody")]
pub struct BodyView {
    pub model: String,
    pub ticket: String,
    pub request_commitment: String,
    pub response_commitment: String,
    pub input_tokens: TokenCount,
    pub output_tokens: TokenCount,
    pub tariff: Tariff,
    pub amount: String,
    pub fee: String,
    pub fee_rate: Bps,
    pub outcome: Outcome,
    pub auction: AuctionDigest,
    pub owner: OwnerCommitments,
    pub statement: Option<StatementView>,
    /// Hash of the evidence that vouched for the coordinator, at `/v1/attestation/{hash}`.
    pub attestation: Option<String>,
    /// `evidence` to check, or `unattested`.
    pub attestation_state: &'static str,
    pub created: UnixMillis,
}

/// The node's own statement.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StatementView {
    /// What it says it did.
    pub proof: ProofOfInference,
    /// The key it signed with.
    pub signer: PublicKey,
    /// What it signed.
    pub root: ProofRoot,
    /// Its signature over the root, in base58.
    pub signature: String,
    /// Where the proof stands under the root.
    pub index: u32,
    /// From the proof to the root.
    pub path: Vec<String>,
}

/// An RFC 9162 inclusion proof: against the size that was asked for when it covers the receipt and is
/// durable, else against the newest durable head of the receipt's epoch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InclusionView {
    /// Epoch of the log.
    pub epoch: u32,
    /// Leaves in the tree that `root` is of.
    pub size: u64,
    /// The receipt's position.
    pub index: u64,
    /// The leaf's hash.
    pub leaf: String,
    /// The audit path, leaf side first.
    pub path: Vec<String>,
    /// The tree's root.
    pub root: String,
}

/// How far a receipt has been settled.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SettlementView {
    /// The transaction that anchored it in the chain's log.
    pub log: Option<TransactionView>,
    /// Whether the payer's debit covers it, finalized. The transaction would say who the payer is.
    pub debited: bool,
    /// The transaction whose credit covers it.
    pub credit: Option<TransactionView>,
}

/// A transaction on chain.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TransactionView {
    /// In base58, as explorers take it.
    pub signature: String,
    /// Where it landed.
    pub slot: Option<Slot>,
    /// Whether that block can no longer be undone.
    pub finalized: bool,
}

impl Receipts {
    /// What is known of a request's receipts, with inclusion paths to the log of `size` leaves where
    /// that covers them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn view(
        &self,
        request: RequestId,
        size: Option<u64>,
    ) -> Result<ReceiptsView, StoreError> {
        // Looked at before the store: a flight that ends in between has left its receipt there.
        let open = self.inner.flights.is_open(&request);
        let anchor = self.inner.anchor.load_full();
        let receipts = self
            .inner
            .store
            .read(move |state| {
                let stored = state.receipts_of(&request)?;
                stored.iter().map(|receipt| show(state, receipt, anchor.as_deref(), size)).collect()
            })
            .await?;
        Ok(match (receipts, open) {
            (receipts, _) if !Vec::is_empty(&receipts) => {
                ReceiptsView::Found(Box::new(RequestReceipts { request_id: request, receipts }))
            }
            (_, true) => ReceiptsView::Pending,
            (_, false) => ReceiptsView::Unknown,
        })
    }
}

fn show(
    state: &dyn Read,
    stored: &StoredReceipt,
    anchor: Option<&Anchor>,
    size: Option<u64>,
) -> Result<ReceiptView, StoreError> {
    let receipt = Receipt::decode(&stored.bytes)
        .map_err(|_| StoreError::Corrupt("a receipt does not decode"))?;
    let anchored =
        anchor.filter(|anchor| anchor.epoch == stored.epoch && stored.index < anchor.size).copied();
    Ok(ReceiptView {
        segment: stored.segment,
        head: receipt.head.record,
        signer: stored.signer,
        signature: receipt.head.signature.to_string(),
        bytes: STANDARD.encode(&stored.bytes),
        inclusion: inclusion(state, stored, &receipt, size)?,
        anchored,
        settlement: settlement(state, stored)?,
        body: body(receipt.body),
    })
}

fn inclusion(
    state: &dyn Read,
    stored: &StoredReceipt,
    receipt: &Receipt,
    wanted: Option<u64>,
) -> Result<InclusionView, StoreError> {
    let head = state
        .epoch_head(stored.epoch)?
        .ok_or(StoreError::Corrupt("a receipt's epoch is missing"))?;
    let tree = EpochTree::new(state, stored.epoch);
    let covers = |size: &u64| stored.index < *size && *size < head.size;
    let (size, root) = match wanted.filter(covers) {
        Some(size) => (size, tree.root(size)?),
        None => (head.size, head.root),
    };
    let path = tree.inclusion(stored.index, size)?;
    Ok(InclusionView {
        epoch: stored.epoch,
        size,
        index: stored.index,
        leaf: receipt.leaf().to_string(),
        path: path.iter().map(ToString::to_string).collect(),
        root: root.to_string(),
    })
}

fn settlement(state: &dyn Read, stored: &StoredReceipt) -> Result<SettlementView, StoreError> {
    let mut epoch = [0; 32];
    if let Some(place) = epoch.last_chunk_mut::<4>() {
        *place = stored.epoch.to_be_bytes();
    }
    let log = state.settlement_reaching(EntryKind::Log, &epoch, stored.index.saturating_add(1))?;
    // Rounded down, as the node is credited; rounded up, as the payer is debited.
    let due = stored.node_cumulative.to_amount_floor().unwrap_or(Amount::MAX);
    let owed = stored.allowance_cumulative.to_amount_ceil().unwrap_or(Amount::MAX);
    let credit = match due {
        // Nothing whole was earned by then, so no credit is needed.
        Amount::ZERO => None,
        due => state.settlement_reaching(EntryKind::Credit, &stored.node.0, due.0)?,
    };
    let debited =
        state.account_of(&stored.allowance)?.is_some_and(|account| account.debited >= owed);
    Ok(SettlementView { log: log.map(transaction), debited, credit: credit.map(transaction) })
}

fn transaction(record: SettlementRecord) -> TransactionView {
    TransactionView {
        signature: solana_signature::Signature::from(record.signature).to_string(),
        slot: record.slot,
        finalized: record.state == SettlementState::Finalized,
    }
}

fn body(body: ReceiptBody) -> BodyView {
    BodyView {
        model: body.model,
        ticket: body.ticket.to_string(),
        request_commitment: body.request_commitment.to_string(),
        response_commitment: body.response_commitment.to_string(),
        input_tokens: body.input_tokens,
        output_tokens: body.output_tokens,
        tariff: body.tariff,
        amount: body.amount.to_string(),
        fee: body.fee.to_string(),
        fee_rate: body.fee_rate,
        outcome: body.outcome,
        auction: body.auction,
        owner: body.owner,
        statement: body
            .statement
            .map(|statement| statement_view(statement.proof, statement.evidence)),
        attestation_state: if body.attestation.is_some() { "evidence" } else { "unattested" },
        attestation: body.attestation.map(|hash| hash.to_string()),
        created: body.created,
    }
}

fn statement_view(proof: ProofOfInference, evidence: NodeEvidence) -> StatementView {
    StatementView {
        proof,
        signer: evidence.signer,
        signature: evidence.root.signature.to_string(),
        root: evidence.root.record,
        index: evidence.index,
        path: evidence.path.iter().map(ToString::to_string).collect(),
    }
}
