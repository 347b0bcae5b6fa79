//! The typed operations of the store: all that the rest of the coordinator can do with a database.
//!
//! Both traits work inside one transaction. A second database implements them and nothing else.

use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{AllowanceId, NodeId, PublicKey, RequestId, Segment};
use pinaivu_protocol::merkle::{NodeSource, Subtree};
use pinaivu_protocol::units::{Amount, FineAmount, Slot, UnixMillis};

use super::StoreError;
use super::archive::Copied;
use super::records::{
    Account, AccountHandle, ApiKey, ApiKeyId, Billed, BlobEntry, BlobExpectation, BlobId,
    BlobNamespace, BlobOutcome, BookPlace, Entry, EntryKind, FigureQuery, FigureRow, KeyLimits,
    LogHead, NewAccount, NewBlob, NewBookEntry, NewFigure, NewReceipt, NewSettlement, NodeFigures,
    NodeTotal, ReceiptFilter, SettlementId, SettlementRecord, SettlementState, StoredReceipt,
    Totals,
};

/// Looks at one consistent state. Every method fails only when the database does, or when what it finds
/// is corrupt.
pub trait Read: NodeSource<Error = StoreError> {
    /// The key whose secret has this SHA-256, also when it is revoked.
    fn api_key(&self, hash: &Hash32) -> Result<Option<ApiKey>, StoreError>;

    /// All keys of a wallet, oldest first, revoked ones included.
    fn api_keys_of(&self, owner: &PublicKey) -> Result<Vec<ApiKey>, StoreError>;

    /// A key by its name, also when it is revoked.
    fn api_key_by_id(&self, id: &ApiKeyId) -> Result<Option<ApiKey>, StoreError>;

    /// Who pays for the tickets that carry this handle.
    fn billed(&self, handle: &AccountHandle) -> Result<Option<Billed>, StoreError>;

    /// The accounts of a wallet, newest first.
    fn accounts_of(&self, owner: &PublicKey) -> Result<Vec<Account>, StoreError>;

    /// The account of an allowance.
    fn account_of(&self, allowance: &AllowanceId) -> Result<Option<Account>, StoreError>;

    /// Every account, in no order.
    fn accounts(&self) -> Result<Vec<Account>, StoreError>;

    /// Accounts whose receipts, rounded **up**, exceed the debit last seen finalized.
    fn accounts_to_debit(&self) -> Result<Vec<Account>, StoreError>;

    /// What a node has earned; nothing when it never served.
    fn node_total(&self, node: &NodeId) -> Result<Option<NodeTotal>, StoreError>;

    /// Every node that ever earned, in no order.
    fn nodes(&self) -> Result<Vec<NodeFigures>, StoreError>;

    /// At most `limit` durable receipts, newest first. With `after` alone those are still the newest.
    fn list_receipts(
        &self,
        filter: &ReceiptFilter,
        limit: usize,
    ) -> Result<Vec<StoredReceipt>, StoreError>;

    /// Sums over receipts by time, in order of time.
    fn figures(&self, query: &FigureQuery) -> Result<Vec<FigureRow>, StoreError>;

    /// All blobs of a box, by name, and the bytes they take; nothing when there is no such box.
    fn blobs(&self, namespace: &BlobNamespace)
    -> Result<Option<(Vec<BlobEntry>, u64)>, StoreError>;

    /// A blob and its version.
    fn blob(
        &self,
        namespace: &BlobNamespace,
        id: &BlobId,
    ) -> Result<Option<(Vec<u8>, u64)>, StoreError>;

    /// Nodes whose earnings, rounded **down**, exceed the credit last seen finalized.
    fn nodes_to_credit(&self) -> Result<Vec<NodeTotal>, StoreError>;

    /// Sums over all receipts.
    fn totals(&self) -> Result<Totals, StoreError>;

    /// The newest state of the log.
    fn log_head(&self) -> Result<LogHead, StoreError>;

    /// The last state of an epoch, open or closed.
    fn epoch_head(&self, epoch: u32) -> Result<Option<LogHead>, StoreError>;

    /// A node of another epoch's tree; [`NodeSource::node`] reads the open one.
    fn epoch_node(&self, epoch: u32, level: u8, index: u64) -> Result<Hash32, StoreError>;

    /// `count` neighbouring nodes of an epoch's tree, from `first`.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when they are not all there.
    fn epoch_nodes(
        &self,
        epoch: u32,
        level: u8,
        first: u64,
        count: u16,
    ) -> Result<Vec<Hash32>, StoreError>;

    /// The bytes of `count` neighbouring receipts of an epoch, from `first`, as they are served.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when they are not all there.
    fn receipt_run(&self, epoch: u32, first: u64, count: u16) -> Result<Vec<Vec<u8>>, StoreError>;

    /// Whether a receipt's bytes are in the archive and not in the database any more.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when there is no such receipt.
    fn is_archived(&self, epoch: u32, index: u64) -> Result<bool, StoreError>;

    /// The receipts of a full bundle, wherever they are, and the leaves of the tree they must be.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when they are not all there.
    fn bundle(&self, epoch: u32, bundle: u64) -> Result<(Vec<Vec<u8>>, Vec<Hash32>), StoreError>;

    /// All receipts of a request, by segment.
    fn receipts_of(&self, request: &RequestId) -> Result<Vec<StoredReceipt>, StoreError>;

    /// The receipt of one segment.
    fn receipt(
        &self,
        request: &RequestId,
        segment: Segment,
    ) -> Result<Option<StoredReceipt>, StoreError>;

    /// The ticket that has the receipt of a segment.
    fn receipted_ticket(
        &self,
        request: &RequestId,
        segment: Segment,
    ) -> Result<Option<Hash32>, StoreError>;

    /// The receipt at a position of the log.
    fn receipt_at(&self, epoch: u32, index: u64) -> Result<Option<StoredReceipt>, StoreError>;

    /// Whether this ticket was given up: it will never be receipted.
    fn is_abandoned(&self, ticket: &Hash32) -> Result<bool, StoreError>;

    /// The newest entry of the newest order book.
    fn newest_book(&self) -> Result<Option<BookPlace>, StoreError>;

    /// Where the entry with this head stands.
    fn book_place(&self, head: &Hash32) -> Result<Option<BookPlace>, StoreError>;

    /// At most `count` entries of a book, from version `first`.
    fn book_entries(&self, book: u64, first: u64, count: u16) -> Result<Vec<Vec<u8>>, StoreError>;

    /// The terms of a request's clearing, as they were stored.
    fn clearing(&self, request: &RequestId) -> Result<Option<Vec<u8>>, StoreError>;

    /// Settlement transactions whose state can still change, oldest first.
    fn open_settlements(&self) -> Result<Vec<SettlementRecord>, StoreError>;

    /// The newest settlement transactions, newest first.
    fn recent_settlements(&self, limit: usize) -> Result<Vec<SettlementRecord>, StoreError>;

    /// At most `limit` settlement transactions that were seen on chain, newest first, older than
    /// `before`.
    fn list_settlements(
        &self,
        before: Option<SettlementId>,
        limit: usize,
    ) -> Result<Vec<SettlementRecord>, StoreError>;

    /// What a transaction is meant to reach; nothing once it failed or expired.
    fn settlement_entries(&self, id: SettlementId) -> Result<Vec<Entry>, StoreError>;

    /// The first transaction that was seen on chain and took `account` to at least `cumulative`.
    fn settlement_reaching(
        &self,
        kind: EntryKind,
        account: &[u8; 32],
        cumulative: u64,
    ) -> Result<Option<SettlementRecord>, StoreError>;
}

/// Changes the state. What one [`super::Store::write`] does becomes durable together or not at all.
pub trait Write: Read {
    /// Adds an account, or gives the one the allowance has already.
    fn open_account(&mut self, account: &NewAccount) -> Result<Account, StoreError>;

    /// Adds a key.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when id or hash are taken, [`StoreError::Missing`] when the allowance has
    /// no account.
    fn insert_api_key(&mut self, key: &ApiKey) -> Result<(), StoreError>;

    /// Ends a key of `owner`. False when the owner has no such key or it was ended before.
    fn revoke_api_key(
        &mut self,
        id: &ApiKeyId,
        owner: &PublicKey,
        now: UnixMillis,
    ) -> Result<bool, StoreError>;

    /// Changes label and limits of a key of `owner` that was not revoked, and gives it as it is then.
    /// Nothing when the owner has no such key.
    fn change_api_key(
        &mut self,
        id: &ApiKeyId,
        owner: &PublicKey,
        label: &str,
        limits: &KeyLimits,
    ) -> Result<Option<ApiKey>, StoreError>;

    /// Takes a command's nonce. False when it was taken before. Forgets nonces that expired before
    /// `now`.
    fn take_nonce(
        &mut self,
        owner: &PublicKey,
        nonce: &[u8; 16],
        expires: UnixMillis,
        now: UnixMillis,
    ) -> Result<bool, StoreError>;

    /// Appends receipts to the log, in order, and raises the cumulatives of nodes, allowances and totals,
    /// each once for all of them.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when a segment has a receipt; [`StoreError::Corrupt`] when epoch, index
    /// or a cumulative do not continue what is stored.
    fn append_receipts(&mut self, receipts: &[NewReceipt]) -> Result<(), StoreError>;

    /// Lets go of the bytes of a bundle that was read in the archive and found whole.
    fn let_go_archived(&mut self, copied: &Copied) -> Result<(), StoreError>;

    /// Adds what appended receipts come to: figures, what nodes served and what keys spent.
    fn add_figures(&mut self, figures: &[NewFigure]) -> Result<(), StoreError>;

    /// Makes a box for blobs, vouched for by an allowance that has an account here. Does nothing when
    /// there is one.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when the allowance has no account.
    fn open_blob_namespace(
        &mut self,
        namespace: &BlobNamespace,
        allowance: &AllowanceId,
        now: UnixMillis,
    ) -> Result<(), StoreError>;

    /// Stores a blob when what is there is what was expected.
    fn put_blob(&mut self, blob: &NewBlob) -> Result<BlobOutcome, StoreError>;

    /// Deletes a blob when what is there is what was expected; one that is not there is no fault.
    fn delete_blob(
        &mut self,
        namespace: &BlobNamespace,
        id: &BlobId,
        expected: BlobExpectation,
    ) -> Result<BlobOutcome, StoreError>;

    /// Stores complete subtrees of the open epoch's tree.
    fn put_nodes(&mut self, nodes: &[(Subtree, Hash32)]) -> Result<(), StoreError>;

    /// Sets the head of the open epoch after receipts and nodes have been appended.
    fn set_log_head(&mut self, size: u64, root: &Hash32) -> Result<(), StoreError>;

    /// Closes the open epoch and opens `epoch`, which must be larger.
    fn open_epoch(&mut self, epoch: u32) -> Result<(), StoreError>;

    /// Raises what an allowance was charged to at least `floor`, without a receipt: what an earlier
    /// database charged and settled is never charged into again.
    fn raise_account(
        &mut self,
        allowance: &AllowanceId,
        floor: FineAmount,
    ) -> Result<(), StoreError>;

    /// Raises what a node earned to at least `floor`, without a receipt.
    fn raise_node(&mut self, node: &NodeId, floor: FineAmount) -> Result<(), StoreError>;

    /// Raises the fees to at least `floor`, without a receipt.
    fn raise_fees(&mut self, floor: FineAmount) -> Result<(), StoreError>;

    /// Appends an entry of the order book.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it does not follow the last one.
    fn append_book(&mut self, entry: &NewBookEntry) -> Result<(), StoreError>;

    /// Stores the terms of a request's clearing.
    fn put_clearing(&mut self, request: &RequestId, terms: &[u8]) -> Result<(), StoreError>;

    /// Marks a ticket as given up. Forgets those given up before `forget_before`.
    fn abandon(
        &mut self,
        ticket: &Hash32,
        now: UnixMillis,
        forget_before: UnixMillis,
    ) -> Result<(), StoreError>;

    /// Stores a signed transaction, before it is sent.
    fn insert_settlement(&mut self, settlement: &NewSettlement)
    -> Result<SettlementId, StoreError>;

    /// Records what became of a transaction.
    fn set_settlement_state(
        &mut self,
        id: SettlementId,
        state: SettlementState,
        slot: Option<Slot>,
        failure: Option<&str>,
    ) -> Result<(), StoreError>;

    /// Records the debit last seen finalized on chain. It falls when a server lags or the chain was
    /// started over; then it is debited, or found debited, again.
    fn set_debited(&mut self, allowance: &AllowanceId, debited: Amount) -> Result<(), StoreError>;

    /// Records the credit last seen finalized on chain.
    fn set_credited(&mut self, node: &NodeId, credited: Amount) -> Result<(), StoreError>;
}
