//! What has changed in the virtual machine since the last look.
//!
//! The recorder knows the accounts and transactions of the last state that was saved and finds the
//! difference to the present one. It also says which transactions are old enough to be forgotten, so
//! that a local chain that runs for weeks keeps its size.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use solana_account::AccountSharedData;
use solana_pubkey::Pubkey;
use surfpool_core::surfnet::svm::SurfnetSvm;
use surfpool_core::types::SurfnetTransactionStatus;

use crate::error::LocalnetError;
use crate::ledger::{Changes, KEPT_TRANSACTIONS, Tip};

/// Remembers one state.
pub(crate) struct Recorder {
    /// What a bare virtual machine has: sysvars, built-in programs, features. Never saved.
    bare: HashSet<Pubkey>,
    accounts: HashMap<Pubkey, AccountSharedData>,
    known: HashSet<String>,
    by_age: VecDeque<(u64, String)>,
    /// Slots with transactions whose block is not closed yet.
    open_blocks: BTreeSet<u64>,
}

impl Recorder {
    /// For a virtual machine that nothing was written to yet.
    pub(crate) fn new(bare: &SurfnetSvm) -> Result<Self, LocalnetError> {
        Ok(Self {
            bare: all_accounts(bare)?.into_iter().map(|(address, _)| address).collect(),
            accounts: HashMap::new(),
            known: HashSet::new(),
            by_age: VecDeque::new(),
            open_blocks: BTreeSet::new(),
        })
    }

    /// The difference between the remembered state and the present one.
    pub(crate) fn changes(&self, svm: &SurfnetSvm) -> Result<Changes, LocalnetError> {
        let mut written = Vec::new();
        let mut present = HashSet::new();
        for (address, account) in all_accounts(svm)? {
            if self.bare.contains(&address) {
                continue;
            }
            present.insert(address);
            if self.accounts.get(&address) != Some(&account) {
                written.push((address, account));
            }
        }
        let removed =
            self.accounts.keys().filter(|address| !present.contains(*address)).copied().collect();

        let mut transactions = Vec::new();
        for signature in svm.transactions.keys().map_err(refused)? {
            if self.known.contains(&signature) {
                continue;
            }
            let status = svm.transactions.get(&signature).map_err(refused)?;
            if let Some(status @ SurfnetTransactionStatus::Processed(_)) = status {
                let slot = status.expect_processed().0.slot;
                transactions.push((signature, slot, status));
            }
        }

        let mut blocks = Vec::new();
        let new_slots = transactions.iter().map(|(_, slot, _)| *slot);
        for slot in self.open_blocks.iter().copied().chain(new_slots).collect::<BTreeSet<_>>() {
            if let Some(header) = svm.blocks.get(&slot).map_err(refused)? {
                blocks.push((slot, header));
            }
        }
        let tip = Tip {
            index: svm.chain_tip.index,
            hash: svm.chain_tip.hash.clone(),
            slot: svm.latest_epoch_info.absolute_slot,
            epoch: svm.latest_epoch_info.epoch,
            slot_index: svm.latest_epoch_info.slot_index,
            unix_millis: svm.updated_at,
        };
        Ok(Changes { tip, written, removed, transactions, blocks })
    }

    /// Makes the state that `changes` leads to the remembered one.
    pub(crate) fn remember(&mut self, mut changes: Changes) {
        for (address, account) in changes.written {
            self.accounts.insert(address, account);
        }
        for address in &changes.removed {
            self.accounts.remove(address);
        }
        changes.transactions.sort_by_key(|(_, slot, _)| *slot);
        for (signature, slot, _) in changes.transactions {
            self.open_blocks.insert(slot);
            self.known.insert(signature.clone());
            self.by_age.push_back((slot, signature));
        }
        for (slot, _) in &changes.blocks {
            self.open_blocks.remove(slot);
        }
    }

    /// Forgets the oldest transactions beyond [`KEPT_TRANSACTIONS`] here and in the virtual machine.
    pub(crate) fn forget_oldest(&mut self, svm: &mut SurfnetSvm) -> Result<(), LocalnetError> {
        while self.by_age.len() > KEPT_TRANSACTIONS {
            let Some((slot, signature)) = self.by_age.pop_front() else { break };
            svm.transactions.take(&signature).map_err(refused)?;
            self.known.remove(&signature);
            if self.by_age.front().is_none_or(|(next, _)| *next != slot) {
                svm.blocks.take(&slot).map_err(refused)?;
                self.open_blocks.remove(&slot);
            }
        }
        Ok(())
    }

    /// Whether a block with transactions is still to be saved.
    pub(crate) fn has_open_blocks(&self) -> bool {
        !self.open_blocks.is_empty()
    }

    /// Whether [`Self::forget_oldest`] has something to do.
    pub(crate) fn is_full(&self) -> bool {
        self.by_age.len() > KEPT_TRANSACTIONS
    }
}

fn all_accounts(svm: &SurfnetSvm) -> Result<Vec<(Pubkey, AccountSharedData)>, LocalnetError> {
    svm.inner.get_all_accounts().map_err(refused)
}

fn refused(error: impl std::fmt::Display) -> LocalnetError {
    LocalnetError::Account(error.to_string())
}
