//! What a group of receipts adds to accounts, nodes and totals: each row is read once, raised in memory
//! receipt by receipt, and written once.
//!
//! Invariant: every receipt states cumulatives that are exactly its amount above those before it, the
//! stored ones for the first of a group.

use std::collections::HashMap;

use pinaivu_protocol::ids::{AllowanceId, NodeId};
use pinaivu_protocol::units::FineAmount;
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::accounts::{self, ceil, ensure_node, floor};
use super::codec::{fine, get_fine};
use super::while_doing;
use crate::store::StoreError;
use crate::store::records::{NewReceipt, Totals};

/// Rows of whom a receipt concerns.
pub(super) struct Charged {
    pub(super) account: i64,
    pub(super) node: i64,
}

/// A row and the cumulative in it.
#[derive(Clone, Copy)]
struct Raised {
    row: i64,
    cumulative: FineAmount,
}

impl Raised {
    /// Raises by `amount` to the cumulative that a receipt states.
    fn to(&mut self, cumulative: FineAmount, amount: FineAmount) -> Result<i64, StoreError> {
        if cumulative.checked_sub(amount) != Some(self.cumulative) {
            return Err(StoreError::Corrupt("a receipt does not continue a cumulative"));
        }
        self.cumulative = cumulative;
        Ok(self.row)
    }
}

fn raised(row: &Row<'_>) -> rusqlite::Result<Raised> {
    Ok(Raised { row: row.get(0)?, cumulative: get_fine(row, 1)? })
}

/// See the module.
pub(super) struct Charges<'a> {
    connection: &'a Connection,
    accounts: HashMap<AllowanceId, Raised>,
    nodes: HashMap<NodeId, Raised>,
    totals: Totals,
}

impl<'a> Charges<'a> {
    pub(super) fn begin(connection: &'a Connection) -> Result<Self, StoreError> {
        let totals = accounts::totals(connection)?;
        Ok(Self { connection, accounts: HashMap::new(), nodes: HashMap::new(), totals })
    }

    /// Adds one receipt.
    pub(super) fn add(&mut self, receipt: &NewReceipt) -> Result<Charged, StoreError> {
        let NewReceipt { amount, fee, .. } = *receipt;
        let share = amount.checked_sub(fee);
        let share = share.ok_or(StoreError::Corrupt("a fee is more than its amount"))?;
        let account = self.account(&receipt.allowance)?.to(receipt.allowance_cumulative, amount)?;
        let node = self.node(&receipt.node)?.to(receipt.node_cumulative, share)?;
        let Totals { charged, fees, .. } = &mut self.totals;
        *charged = charged.checked_add(amount).ok_or(StoreError::Range("the total"))?;
        *fees = fees.checked_add(fee).ok_or(StoreError::Range("the fees"))?;
        Ok(Charged { account, node })
    }

    fn account(&mut self, allowance: &AllowanceId) -> Result<&mut Raised, StoreError> {
        if !self.accounts.contains_key(allowance) {
            let found = self
                .connection
                .prepare_cached("SELECT id, receipted FROM accounts WHERE allowance = ?1")
                .and_then(|mut statement| statement.query_row([allowance.0], raised).optional())
                .map_err(while_doing("reading an account"))?;
            let found = found.ok_or(StoreError::Corrupt("a receipt charges no account"))?;
            self.accounts.insert(*allowance, found);
        }
        self.accounts.get_mut(allowance).ok_or(StoreError::Missing("account"))
    }

    fn node(&mut self, node: &NodeId) -> Result<&mut Raised, StoreError> {
        if !self.nodes.contains_key(node) {
            ensure_node(self.connection, node)?;
            let found = self
                .connection
                .prepare_cached("SELECT id, earned FROM nodes WHERE node = ?1")
                .and_then(|mut statement| statement.query_row([node.0], raised))
                .map_err(while_doing("reading a node's earnings"))?;
            self.nodes.insert(*node, found);
        }
        self.nodes.get_mut(node).ok_or(StoreError::Missing("node"))
    }

    /// Writes what all of them came to.
    pub(super) fn write(self) -> Result<(), StoreError> {
        let mut update = self
            .connection
            .prepare_cached("UPDATE accounts SET receipted = ?2, owed = ?3 WHERE id = ?1")
            .map_err(while_doing("charging an account"))?;
        for Raised { row, cumulative } in self.accounts.values() {
            let owed = ceil(*cumulative)?;
            update
                .execute((row, fine(*cumulative), owed))
                .map_err(while_doing("charging an account"))?;
        }
        let mut update = self
            .connection
            .prepare_cached("UPDATE nodes SET earned = ?2, due = ?3 WHERE id = ?1")
            .map_err(while_doing("raising a node's earnings"))?;
        for Raised { row, cumulative } in self.nodes.values() {
            let due = floor(*cumulative)?;
            update
                .execute((row, fine(*cumulative), due))
                .map_err(while_doing("raising a node's earnings"))?;
        }
        let Totals { charged, fees, .. } = self.totals;
        self.connection
            .prepare_cached("UPDATE totals SET charged = ?1, fees = ?2")
            .and_then(|mut statement| statement.execute((fine(charged), fine(fees))))
            .map_err(while_doing("raising the totals"))?;
        Ok(())
    }
}
