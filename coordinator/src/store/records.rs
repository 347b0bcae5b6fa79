//! What the store holds, as types. No rules here, only shapes and units.

use std::fmt;
use std::str::FromStr;

use pinaivu_protocol::commitment::Salt;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{
    AllowanceId, CoordinatorId, DeploymentId, EscrowId, NodeId, PublicKey, RequestId, Segment,
};
use pinaivu_protocol::proof::Outcome;
use pinaivu_protocol::units::{Amount, FineAmount, Slot, Tariff, TokenPrice, UnixMillis};

/// Whose database this is. Fixed when it is created; another coordinator cannot open it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Cluster and program.
    pub deployment: DeploymentId,
    /// The coordinator's account.
    pub coordinator: CoordinatorId,
}

/// Names an [`Account`], and the key it was charged through, in tickets: 12 random bytes that mean
/// nothing to anyone else.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountHandle(pub [u8; 12]);

impl fmt::Debug for AccountHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// What one allowance on chain has been charged here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its name in tickets.
    pub handle: AccountHandle,
    /// The allowance that pays.
    pub allowance: AllowanceId,
    /// The escrow it is part of.
    pub escrow: EscrowId,
    /// The wallet that owns the escrow.
    pub owner: PublicKey,
    /// When it was first seen here.
    pub created: UnixMillis,
    /// The sum of all durable receipts. Never falls.
    pub receipted: FineAmount,
    /// The debit last seen finalized on chain.
    pub debited: Amount,
}

/// An allowance to be charged from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewAccount {
    /// Its name in tickets; random.
    pub handle: AccountHandle,
    /// The allowance that pays.
    pub allowance: AllowanceId,
    /// The escrow it is part of.
    pub escrow: EscrowId,
    /// The wallet that owns the escrow.
    pub owner: PublicKey,
    /// Now.
    pub created: UnixMillis,
    /// The debit on chain. The account starts with at least this much receipted, so that what an
    /// earlier database charged is never charged into again.
    pub debited: Amount,
}

/// Names an API key without being one: 16 random bytes, shown as `key_` and 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiKeyId(pub [u8; 16]);

impl fmt::Display for ApiKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key_{}", hex::encode(self.0))
    }
}

impl fmt::Debug for ApiKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not `key_` and 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected key_ and 32 hexadecimal digits")]
pub struct ApiKeyIdError;

impl FromStr for ApiKeyId {
    type Err = ApiKeyIdError;

    fn from_str(text: &str) -> Result<Self, ApiKeyIdError> {
        let digits = text.strip_prefix("key_").ok_or(ApiKeyIdError)?;
        let mut bytes = [0; 16];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| ApiKeyIdError)?;
        Ok(Self(bytes))
    }
}

/// What a key may do, beyond what its allowance allows. Absent means no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyLimits {
    /// The most it may ever spend.
    pub budget: Option<Amount>,
    /// When it ends.
    pub expires: Option<UnixMillis>,
    /// The only models it may ask for.
    pub models: Option<Vec<String>>,
    /// Requests a minute, at least 1.
    pub requests_per_minute: Option<u32>,
    /// Prompt and generated tokens a minute, at least 1.
    pub tokens_per_minute: Option<u32>,
}

/// An API key; its secret is known only by its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its name in tickets.
    pub handle: AccountHandle,
    /// What it may do.
    pub limits: KeyLimits,
    /// How often label or limits were changed.
    pub revision: u32,
    /// The sum of all receipts charged through it. Never falls.
    pub spent: FineAmount,
    /// How many receipts those are.
    pub requests: u64,
    /// When the newest of them was made.
    pub last_used: Option<UnixMillis>,
    /// Its public name.
    pub id: ApiKeyId,
    /// SHA-256 of the secret text.
    pub hash: Hash32,
    /// The wallet that made it.
    pub owner: PublicKey,
    /// What it spends from.
    pub allowance: AllowanceId,
    /// The owner's own words.
    pub label: String,
    /// When it was made.
    pub created: UnixMillis,
    /// When it was ended, if it was.
    pub revoked: Option<UnixMillis>,
}

/// The newest durable state of the log's open epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogHead {
    /// The epoch that is open.
    pub epoch: u32,
    /// Leaves in it.
    pub size: u64,
    /// RFC 9162 root over them.
    pub root: Hash32,
}

/// Salts of a receipt's owner commitments: only the owner is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnerSalts {
    /// Of the escrow.
    pub escrow: Salt,
    /// Of the allowance.
    pub allowance: Salt,
    /// Of the allowance's cumulative.
    pub cumulative: Salt,
}

/// A receipt about to be stored.
#[derive(Clone, Debug)]
pub struct NewReceipt {
    /// Epoch of the log; must be the open one.
    pub epoch: u32,
    /// Position in the log; must be its size.
    pub index: u64,
    /// Which request.
    pub request: RequestId,
    /// Which part of it.
    pub segment: Segment,
    /// Hash of the ticket answered.
    pub ticket: Hash32,
    /// Who served it.
    pub node: NodeId,
    /// The node's cumulative earnings with it.
    pub node_cumulative: FineAmount,
    /// Who pays.
    pub allowance: AllowanceId,
    /// The allowance's cumulative charges with it.
    pub allowance_cumulative: FineAmount,
    /// What it charges.
    pub amount: FineAmount,
    /// The coordinator's part.
    pub fee: FineAmount,
    /// The key it was charged through, when that is known.
    pub api_key: Option<ApiKeyId>,
    /// What it was asked for as.
    pub model: String,
    /// How the answer ended.
    pub outcome: Outcome,
    /// Salts of the owner commitments.
    pub salts: OwnerSalts,
    /// Whose signature is on it.
    pub signer: PublicKey,
    /// The whole receipt as it is served.
    pub bytes: Vec<u8>,
}

/// A durable receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredReceipt {
    /// Epoch of the log.
    pub epoch: u32,
    /// Position in it.
    pub index: u64,
    /// Which request.
    pub request: RequestId,
    /// Which part of it.
    pub segment: Segment,
    /// Hash of the ticket answered.
    pub ticket: Hash32,
    /// Who served it.
    pub node: NodeId,
    /// The node's cumulative earnings with it.
    pub node_cumulative: FineAmount,
    /// Who pays. Not public.
    pub allowance: AllowanceId,
    /// The allowance's cumulative charges with it. Not public.
    pub allowance_cumulative: FineAmount,
    /// The key it was charged through, when that is known. Not public.
    pub api_key: Option<ApiKeyId>,
    /// Salts of the owner commitments. Not public.
    pub salts: OwnerSalts,
    /// Whose signature is on it.
    pub signer: PublicKey,
    /// The whole receipt as it is served: `Receipt::encode`.
    pub bytes: Vec<u8>,
}

/// What one node has earned here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeTotal {
    /// Which node.
    pub node: NodeId,
    /// The sum of its share of all durable receipts. Never falls.
    pub earned: FineAmount,
    /// The credit last seen finalized on chain.
    pub credited: Amount,
}

/// Sums over all durable receipts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// What users were charged.
    pub charged: FineAmount,
    /// The coordinator's part of it.
    pub fees: FineAmount,
    /// Fees that an earlier database had settled; they come on top.
    pub fees_baseline: FineAmount,
    /// How many receipts there are.
    pub requests: u64,
    /// Prompt tokens charged.
    pub input_tokens: u64,
    /// Generated tokens charged.
    pub output_tokens: u64,
}

/// Who pays for a ticket: what its handle names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Billed {
    /// The account.
    pub account: Account,
    /// The key, unless the ticket is older than handles of keys.
    pub api_key: Option<ApiKeyId>,
}

/// Position of a receipt: epoch and index, which order receipts as they were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReceiptCursor {
    /// Epoch of the log.
    pub epoch: u32,
    /// Position in it.
    pub index: u64,
}

impl fmt::Display for ReceiptCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.index)
    }
}

/// The text is not two numbers with a dot between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected EPOCH.INDEX")]
pub struct ReceiptCursorError;

impl FromStr for ReceiptCursor {
    type Err = ReceiptCursorError;

    fn from_str(text: &str) -> Result<Self, ReceiptCursorError> {
        let (epoch, index) = text.split_once('.').ok_or(ReceiptCursorError)?;
        Ok(Self {
            epoch: epoch.parse().map_err(|_| ReceiptCursorError)?,
            index: index.parse().map_err(|_| ReceiptCursorError)?,
        })
    }
}

/// Which receipts to list, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReceiptFilter {
    /// Only older ones than this.
    pub before: Option<ReceiptCursor>,
    /// Only newer ones than this.
    pub after: Option<ReceiptCursor>,
    /// Only of this node.
    pub node: Option<NodeId>,
    /// Only for this model.
    pub model: Option<String>,
    /// Only with this outcome.
    pub outcome: Option<Outcome>,
    /// Only paid by this allowance.
    pub allowance: Option<AllowanceId>,
    /// Only charged through this key.
    pub api_key: Option<ApiKeyId>,
    /// Only of requests that came at this time or later.
    pub from: Option<UnixMillis>,
    /// Only of requests that came before this time.
    pub to: Option<UnixMillis>,
}

/// What receipts of one commit add to the figures, for one combination of who, what and price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFigure {
    /// When they were made.
    pub at: UnixMillis,
    /// Who paid.
    pub allowance: AllowanceId,
    /// Through which key.
    pub api_key: Option<ApiKeyId>,
    /// Who served.
    pub node: NodeId,
    /// What was asked for.
    pub model: String,
    /// At which price and weights.
    pub tariff: Tariff,
    /// How many.
    pub requests: u32,
    /// How many of them the node failed in the middle of.
    pub failed: u32,
    /// Prompt tokens charged.
    pub input_tokens: u64,
    /// Generated tokens charged.
    pub output_tokens: u64,
    /// What was charged.
    pub charged: FineAmount,
    /// The coordinator's part of it.
    pub fees: FineAmount,
}

/// How finely figures are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FigureStep {
    /// Minutes of the last [`FIGURE_MINUTES_KEPT`].
    Minute,
    /// Hours, for ever.
    Hour,
}

/// How long figures by the minute are kept, in milliseconds: a week.
pub const FIGURE_MINUTES_KEPT: u64 = 7 * 24 * 60 * 60 * 1000;

/// Whose figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FiguresOf {
    /// Everybody's.
    All,
    /// One payer's, told apart by key.
    Allowance(AllowanceId),
    /// One node's.
    Node(NodeId),
}

/// Which figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FigureQuery {
    /// Whose.
    pub of: FiguresOf,
    /// From which table.
    pub step: FigureStep,
    /// From here, a multiple of `width`.
    pub from: UnixMillis,
    /// Up to but not including this.
    pub to: UnixMillis,
    /// Length of a bucket in milliseconds, a multiple of the step.
    pub width: u64,
}

/// Sums over the receipts of one bucket, model, price and, of an allowance, key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FigureRow {
    /// When the bucket begins.
    pub at: UnixMillis,
    /// What was asked for.
    pub model: String,
    /// At which price.
    pub price: TokenPrice,
    /// Through which key; only for an allowance.
    pub api_key: Option<ApiKeyId>,
    /// How many.
    pub requests: u64,
    /// How many of them failed in the middle.
    pub failed: u64,
    /// Prompt tokens charged.
    pub input_tokens: u64,
    /// Generated tokens charged.
    pub output_tokens: u64,
    /// What was charged.
    pub charged: FineAmount,
    /// The coordinator's part of it.
    pub fees: FineAmount,
}

/// Sums over one node's receipts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeFigures {
    /// Earned and credited.
    pub total: NodeTotal,
    /// How many receipts.
    pub requests: u64,
    /// How many of them it failed in the middle of.
    pub failed: u64,
    /// Prompt tokens charged.
    pub input_tokens: u64,
    /// Generated tokens charged.
    pub output_tokens: u64,
    /// When the newest was made.
    pub last_served: Option<UnixMillis>,
}

/// A box of blobs: whoever holds its Ed25519 key.
pub type BlobNamespace = PublicKey;

/// Names a blob in its namespace; the owner's choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId(pub [u8; 16]);

/// A blob without its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobEntry {
    /// Its name.
    pub id: BlobId,
    /// Rises with every change.
    pub version: u64,
    /// How long it is.
    pub bytes: u64,
    /// When it was last changed.
    pub updated: UnixMillis,
}

/// What a change of a blob expects to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobExpectation {
    /// Nothing.
    Absent,
    /// This version.
    Version(u64),
    /// Whatever there is.
    Any,
}

/// A blob about to be stored.
#[derive(Clone, Debug)]
pub struct NewBlob {
    /// In which box.
    pub namespace: BlobNamespace,
    /// Under which name.
    pub id: BlobId,
    /// What must be there now.
    pub expected: BlobExpectation,
    /// The new content.
    pub bytes: Vec<u8>,
    /// Most bytes of all blobs of the box together.
    pub limit: u64,
    /// Now.
    pub now: UnixMillis,
}

/// What became of a change of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobOutcome {
    /// It is stored as this version; 0 when it was deleted.
    Done(u64),
    /// Something else is there than expected.
    Conflict,
    /// There is no such box.
    NoNamespace,
    /// The box would hold more than it may.
    Full,
}

/// Row of a settlement transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SettlementId(pub i64);

/// What a settlement transaction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SettlementKind {
    /// Anchors the log up to a size.
    LogExtend,
    /// Raises cumulative debits of allowances.
    Debit,
    /// Opens accounts that nodes are credited in.
    PayoutOpen,
    /// Raises cumulative credits of nodes, and the fees.
    Credit,
}

/// What became of a settlement transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SettlementState {
    /// Signed and stored. It may or may not have been sent, and may still land.
    Prepared,
    /// Seen in a block that may still be undone.
    Landed,
    /// In a block that cannot be undone.
    Finalized,
    /// In a block, where it failed: it changed nothing and never will.
    Failed,
    /// Can never land.
    Expired,
}

impl SettlementState {
    /// Whether nothing about it can change any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Finalized | Self::Failed | Self::Expired)
    }
}

/// What a settlement entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// The log, by epoch; the cumulative is its new size.
    Log,
    /// An allowance; the cumulative is its debit.
    Debit,
    /// A node; the cumulative is its credit.
    Credit,
    /// The coordinator; the cumulative is its fees.
    Fees,
}

/// One cumulative that a settlement transaction is meant to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// About what.
    pub kind: EntryKind,
    /// Address of the allowance, node or coordinator; for the log the epoch, big endian, padded with
    /// zeros on the left.
    pub account: [u8; 32],
    /// The intended cumulative.
    pub cumulative: u64,
}

/// A signed transaction about to be stored, before it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSettlement {
    /// What it does.
    pub kind: SettlementKind,
    /// Its name on chain.
    pub signature: [u8; 64],
    /// The bytes to send, as often as needed.
    pub bytes: Vec<u8>,
    /// Above this block height it can never land.
    pub last_valid_block_height: u64,
    /// Now.
    pub created: UnixMillis,
    /// What it is meant to reach.
    pub entries: Vec<Entry>,
}

/// A stored settlement transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettlementRecord {
    /// Its row.
    pub id: SettlementId,
    /// What it does.
    pub kind: SettlementKind,
    /// Its name on chain.
    pub signature: [u8; 64],
    /// The bytes to send; empty once its state is final.
    pub bytes: Vec<u8>,
    /// Above this block height it can never land.
    pub last_valid_block_height: u64,
    /// When it was stored.
    pub created: UnixMillis,
    /// What became of it.
    pub state: SettlementState,
    /// Where it landed, if it did.
    pub slot: Option<Slot>,
    /// Why it failed, for people.
    pub failure: Option<String>,
}

/// Where an entry of the order book stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookPlace {
    /// Which book: each start of the coordinator opens the next one.
    pub book: u64,
    /// How many entries of that book the head covers.
    pub version: u64,
    /// The head after it.
    pub head: Hash32,
}

/// An entry of the order book about to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBookEntry {
    /// Which book; the newest, or the next one at version 1.
    pub book: u64,
    /// Its place, from 1; one after the last.
    pub version: u64,
    /// The head after it.
    pub head: Hash32,
    /// borsh of the entry.
    pub entry: Vec<u8>,
}
