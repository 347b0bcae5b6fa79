//! How the database's log stands to the chain's.
//!
//! The log on chain was once made from a database of this coordinator. If it is not a prefix of this
//! database's log, this database is an old copy, and a receipt signed on it could contradict one that
//! was signed before. The way out is a new log epoch, which only the cold authority can open.

use pinaivu_chain::LogHead as ChainLog;

use crate::receipts::EpochTree;
use crate::store::{Read, StoreError};

/// How the database's log stands to the chain's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Standing {
    /// The chain's log is a prefix of the database's.
    #[error("the chain's log is a prefix of the database's")]
    Consistent,
    /// The chain's log is longer: the database is an old copy, or another copy is running.
    #[error(
        "the chain's log of epoch {epoch} has {chain} receipts, the database {database}: the database \
         is an old copy. Open a new log epoch with the coordinator's authority"
    )]
    Behind {
        /// Which epoch.
        epoch: u32,
        /// Leaves on chain.
        chain: u64,
        /// Leaves here.
        database: u64,
    },
    /// The chain's log has other receipts.
    #[error(
        "the chain's log of epoch {epoch} differs from the database's within its first {size} receipts"
    )]
    Diverged {
        /// Which epoch.
        epoch: u32,
        /// Leaves on chain.
        size: u64,
    },
    /// The chain has a later epoch: it was opened by the authority, and is taken over at start.
    #[error("the chain's log is in epoch {chain}, the database in {database}")]
    EpochOpened {
        /// Epoch on chain.
        chain: u32,
        /// Epoch here.
        database: u32,
    },
    /// The chain is in an earlier epoch than the database: the server is behind, or the chain was
    /// started over.
    #[error("the chain's log is still in epoch {chain}, the database in {database}")]
    EpochAhead {
        /// Epoch on chain.
        chain: u32,
        /// Epoch here.
        database: u32,
    },
}

impl Standing {
    /// Whether nothing may be signed any more.
    pub(super) const fn is_fatal(self) -> bool {
        matches!(self, Self::Behind { .. } | Self::Diverged { .. } | Self::EpochOpened { .. })
    }
}

/// Compares the chain's log with one state of the database.
pub(super) fn compare(state: &dyn Read, chain: &ChainLog) -> Result<Standing, StoreError> {
    let head = state.log_head()?;
    if chain.epoch != head.epoch {
        let (chain, database) = (chain.epoch, head.epoch);
        return Ok(if chain > database {
            Standing::EpochOpened { chain, database }
        } else {
            Standing::EpochAhead { chain, database }
        });
    }
    if chain.size > head.size {
        let (epoch, chain, database) = (head.epoch, chain.size, head.size);
        return Ok(Standing::Behind { epoch, chain, database });
    }
    // A log that was never extended has no root yet.
    let same = chain.size == 0 || EpochTree::new(state, head.epoch).root(chain.size)? == chain.root;
    Ok(if same {
        Standing::Consistent
    } else {
        Standing::Diverged { epoch: head.epoch, size: chain.size }
    })
}
