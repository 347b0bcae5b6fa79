//! The two traits of the store over a connection that is inside a transaction.

use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{AllowanceId, NodeId, PublicKey, RequestId, Segment};
use pinaivu_protocol::merkle::{NodeSource, Subtree};
use pinaivu_protocol::units::{Amount, FineAmount, Slot, UnixMillis};
use rusqlite::Connection;

use super::{accounts, archived, blobs, book, figures, keys, log, settlements, while_doing};
use crate::store::archive::{Archive, Copied};
use crate::store::records::{
    Account, AccountHandle, ApiKey, ApiKeyId, Billed, BlobEntry, BlobExpectation, BlobId,
    BlobNamespace, BlobOutcome, BookPlace, Entry, EntryKind, FigureQuery, FigureRow, KeyLimits,
    LogHead, NewAccount, NewBlob, NewBookEntry, NewFigure, NewReceipt, NewSettlement, NodeFigures,
    NodeTotal, ReceiptFilter, SettlementId, SettlementRecord, SettlementState, StoredReceipt,
    Totals,
};
use crate::store::{Read, StoreError, Write};

/// A transaction that only reads; ends when dropped.
pub(crate) struct ReadTransaction<'a> {
    connection: &'a Connection,
    archive: &'a Archive,
}

impl<'a> ReadTransaction<'a> {
    pub(crate) fn begin(
        connection: &'a Connection,
        archive: &'a Archive,
    ) -> Result<Self, StoreError> {
        connection.execute_batch("BEGIN").map_err(while_doing("beginning to read"))?;
        Ok(Self { connection, archive })
    }
}

impl Drop for ReadTransaction<'_> {
    fn drop(&mut self) {
        // When this fails the connection is still inside a transaction, and its owner sees that.
        let _ = self.connection.execute_batch("COMMIT");
    }
}

/// The writer's transaction, which the writer begins and ends.
pub(crate) struct WriteTransaction<'a> {
    connection: &'a Connection,
    archive: &'a Archive,
}

impl<'a> WriteTransaction<'a> {
    pub(crate) const fn new(connection: &'a Connection, archive: &'a Archive) -> Self {
        Self { connection, archive }
    }
}

macro_rules! read_operations {
    ($transaction:ident) => {
        impl NodeSource for $transaction<'_> {
            type Error = StoreError;

            fn node(&self, level: u8, index: u64) -> Result<Hash32, StoreError> {
                let epoch = log::open_epoch(self.connection)?.head.epoch;
                log::node(self.connection, epoch, level, index)
            }
        }

        impl Read for $transaction<'_> {
            fn api_key(&self, hash: &Hash32) -> Result<Option<ApiKey>, StoreError> {
                keys::by_hash(self.connection, hash)
            }

            fn api_keys_of(&self, owner: &PublicKey) -> Result<Vec<ApiKey>, StoreError> {
                keys::of_owner(self.connection, owner)
            }

            fn api_key_by_id(&self, id: &ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
                keys::by_id(self.connection, id)
            }

            fn billed(&self, handle: &AccountHandle) -> Result<Option<Billed>, StoreError> {
                accounts::billed(self.connection, handle)
            }

            fn accounts_of(&self, owner: &PublicKey) -> Result<Vec<Account>, StoreError> {
                accounts::of_owner(self.connection, owner)
            }

            fn nodes(&self) -> Result<Vec<NodeFigures>, StoreError> {
                figures::nodes(self.connection)
            }

            fn list_receipts(
                &self,
                filter: &ReceiptFilter,
                limit: usize,
            ) -> Result<Vec<StoredReceipt>, StoreError> {
                log::list(self.connection, self.archive, filter, limit)
            }

            fn figures(&self, query: &FigureQuery) -> Result<Vec<FigureRow>, StoreError> {
                figures::query(self.connection, query)
            }

            fn blobs(
                &self,
                namespace: &BlobNamespace,
            ) -> Result<Option<(Vec<BlobEntry>, u64)>, StoreError> {
                blobs::list(self.connection, namespace)
            }

            fn blob(
                &self,
                namespace: &BlobNamespace,
                id: &BlobId,
            ) -> Result<Option<(Vec<u8>, u64)>, StoreError> {
                blobs::read(self.connection, namespace, id)
            }

            fn account_of(&self, allowance: &AllowanceId) -> Result<Option<Account>, StoreError> {
                accounts::by_allowance(self.connection, allowance)
            }

            fn accounts(&self) -> Result<Vec<Account>, StoreError> {
                accounts::all(self.connection)
            }

            fn accounts_to_debit(&self) -> Result<Vec<Account>, StoreError> {
                accounts::to_debit(self.connection)
            }

            fn node_total(&self, node: &NodeId) -> Result<Option<NodeTotal>, StoreError> {
                accounts::node_total(self.connection, node)
            }

            fn nodes_to_credit(&self) -> Result<Vec<NodeTotal>, StoreError> {
                accounts::to_credit(self.connection)
            }

            fn totals(&self) -> Result<Totals, StoreError> {
                accounts::totals(self.connection)
            }

            fn log_head(&self) -> Result<LogHead, StoreError> {
                log::open_epoch(self.connection).map(|epoch| epoch.head)
            }

            fn epoch_head(&self, epoch: u32) -> Result<Option<LogHead>, StoreError> {
                Ok(log::epoch(self.connection, epoch)?.map(|epoch| epoch.head))
            }

            fn epoch_node(&self, epoch: u32, level: u8, index: u64) -> Result<Hash32, StoreError> {
                log::node(self.connection, epoch, level, index)
            }

            fn epoch_nodes(
                &self,
                epoch: u32,
                level: u8,
                first: u64,
                count: u16,
            ) -> Result<Vec<Hash32>, StoreError> {
                log::nodes(self.connection, epoch, level, first, count)
            }

            fn receipt_run(
                &self,
                epoch: u32,
                first: u64,
                count: u16,
            ) -> Result<Vec<Vec<u8>>, StoreError> {
                log::receipt_run(self.connection, self.archive, epoch, first, count)
            }

            fn is_archived(&self, epoch: u32, index: u64) -> Result<bool, StoreError> {
                archived::is_archived(self.connection, epoch, index)
            }

            fn bundle(
                &self,
                epoch: u32,
                bundle: u64,
            ) -> Result<(Vec<Vec<u8>>, Vec<Hash32>), StoreError> {
                archived::bundle(self.connection, self.archive, epoch, bundle)
            }

            fn receipts_of(&self, request: &RequestId) -> Result<Vec<StoredReceipt>, StoreError> {
                log::receipts_of(self.connection, self.archive, request)
            }

            fn receipt(
                &self,
                request: &RequestId,
                segment: Segment,
            ) -> Result<Option<StoredReceipt>, StoreError> {
                log::receipt(self.connection, self.archive, request, segment)
            }

            fn receipted_ticket(
                &self,
                request: &RequestId,
                segment: Segment,
            ) -> Result<Option<Hash32>, StoreError> {
                log::receipted_ticket(self.connection, request, segment)
            }

            fn receipt_at(
                &self,
                epoch: u32,
                index: u64,
            ) -> Result<Option<StoredReceipt>, StoreError> {
                log::receipt_at(self.connection, self.archive, epoch, index)
            }

            fn is_abandoned(&self, ticket: &Hash32) -> Result<bool, StoreError> {
                log::is_abandoned(self.connection, ticket)
            }

            fn newest_book(&self) -> Result<Option<BookPlace>, StoreError> {
                book::newest(self.connection)
            }

            fn book_place(&self, head: &Hash32) -> Result<Option<BookPlace>, StoreError> {
                book::place(self.connection, head)
            }

            fn book_entries(
                &self,
                book: u64,
                first: u64,
                count: u16,
            ) -> Result<Vec<Vec<u8>>, StoreError> {
                book::entries(self.connection, book, first, count)
            }

            fn clearing(&self, request: &RequestId) -> Result<Option<Vec<u8>>, StoreError> {
                book::clearing(self.connection, request)
            }

            fn open_settlements(&self) -> Result<Vec<SettlementRecord>, StoreError> {
                settlements::open(self.connection)
            }

            fn recent_settlements(
                &self,
                limit: usize,
            ) -> Result<Vec<SettlementRecord>, StoreError> {
                settlements::recent(self.connection, limit)
            }

            fn list_settlements(
                &self,
                before: Option<SettlementId>,
                limit: usize,
            ) -> Result<Vec<SettlementRecord>, StoreError> {
                settlements::list(self.connection, before, limit)
            }

            fn settlement_entries(&self, id: SettlementId) -> Result<Vec<Entry>, StoreError> {
                settlements::entries(self.connection, id)
            }

            fn settlement_reaching(
                &self,
                kind: EntryKind,
                account: &[u8; 32],
                cumulative: u64,
            ) -> Result<Option<SettlementRecord>, StoreError> {
                settlements::reaching(self.connection, kind, account, cumulative)
            }
        }
    };
}

read_operations!(ReadTransaction);
read_operations!(WriteTransaction);

impl Write for WriteTransaction<'_> {
    fn open_account(&mut self, account: &NewAccount) -> Result<Account, StoreError> {
        accounts::open(self.connection, account)
    }

    fn insert_api_key(&mut self, key: &ApiKey) -> Result<(), StoreError> {
        keys::insert(self.connection, key)
    }

    fn revoke_api_key(
        &mut self,
        id: &ApiKeyId,
        owner: &PublicKey,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        keys::revoke(self.connection, id, owner, now)
    }

    fn change_api_key(
        &mut self,
        id: &ApiKeyId,
        owner: &PublicKey,
        label: &str,
        limits: &KeyLimits,
    ) -> Result<Option<ApiKey>, StoreError> {
        keys::change(self.connection, id, owner, label, limits)
    }

    fn add_figures(&mut self, figures: &[NewFigure]) -> Result<(), StoreError> {
        figures::add(self.connection, figures)
    }

    fn open_blob_namespace(
        &mut self,
        namespace: &BlobNamespace,
        allowance: &AllowanceId,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        blobs::open(self.connection, namespace, allowance, now)
    }

    fn put_blob(&mut self, blob: &NewBlob) -> Result<BlobOutcome, StoreError> {
        blobs::put(self.connection, blob)
    }

    fn delete_blob(
        &mut self,
        namespace: &BlobNamespace,
        id: &BlobId,
        expected: BlobExpectation,
    ) -> Result<BlobOutcome, StoreError> {
        blobs::delete(self.connection, namespace, id, expected)
    }

    fn take_nonce(
        &mut self,
        owner: &PublicKey,
        nonce: &[u8; 16],
        expires: UnixMillis,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        keys::take_nonce(self.connection, owner, nonce, expires, now)
    }

    fn let_go_archived(&mut self, copied: &Copied) -> Result<(), StoreError> {
        archived::let_go(self.connection, copied)
    }

    fn append_receipts(&mut self, receipts: &[NewReceipt]) -> Result<(), StoreError> {
        log::append(self.connection, receipts)
    }

    fn put_nodes(&mut self, nodes: &[(Subtree, Hash32)]) -> Result<(), StoreError> {
        log::put_nodes(self.connection, nodes)
    }

    fn set_log_head(&mut self, size: u64, root: &Hash32) -> Result<(), StoreError> {
        log::set_head(self.connection, size, root)
    }

    fn open_epoch(&mut self, epoch: u32) -> Result<(), StoreError> {
        log::begin_epoch(self.connection, epoch)
    }

    fn raise_account(
        &mut self,
        allowance: &AllowanceId,
        floor: FineAmount,
    ) -> Result<(), StoreError> {
        accounts::raise_account(self.connection, allowance, floor)
    }

    fn raise_node(&mut self, node: &NodeId, floor: FineAmount) -> Result<(), StoreError> {
        accounts::raise_node(self.connection, node, floor)
    }

    fn raise_fees(&mut self, floor: FineAmount) -> Result<(), StoreError> {
        accounts::raise_fees(self.connection, floor)
    }

    fn append_book(&mut self, entry: &NewBookEntry) -> Result<(), StoreError> {
        book::append(self.connection, entry)
    }

    fn put_clearing(&mut self, request: &RequestId, terms: &[u8]) -> Result<(), StoreError> {
        book::put_clearing(self.connection, request, terms)
    }

    fn abandon(
        &mut self,
        ticket: &Hash32,
        now: UnixMillis,
        forget_before: UnixMillis,
    ) -> Result<(), StoreError> {
        log::abandon(self.connection, ticket, now, forget_before)
    }

    fn insert_settlement(
        &mut self,
        settlement: &NewSettlement,
    ) -> Result<SettlementId, StoreError> {
        settlements::insert(self.connection, settlement)
    }

    fn set_settlement_state(
        &mut self,
        id: SettlementId,
        state: SettlementState,
        slot: Option<Slot>,
        failure: Option<&str>,
    ) -> Result<(), StoreError> {
        settlements::set_state(self.connection, id, state, slot, failure)
    }

    fn set_debited(&mut self, allowance: &AllowanceId, debited: Amount) -> Result<(), StoreError> {
        accounts::set_debited(self.connection, allowance, debited)
    }

    fn set_credited(&mut self, node: &NodeId, credited: Amount) -> Result<(), StoreError> {
        accounts::set_credited(self.connection, node, credited)
    }
}
