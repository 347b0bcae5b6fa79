//! Receipts that have left the database: files of one entry bundle each, below the directory `archive`
//! beside it.
//!
//! A file holds the 256 receipts of a full bundle as they were stored, signatures included, and ends with
//! the hash of everything before, so that a copy can be checked by itself. The database keeps each
//! receipt's row, the tree over all of them and their order; a row whose bytes are empty has them here.
//! Invariant: bytes leave a row only inside a transaction that has read the file again and found in it the
//! very leaves of the tree.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use pinaivu_protocol::hash::sha256;

use super::StoreError;

/// Receipts in one file, as in one full bundle of the log.
pub const BUNDLE: u16 = 256;

const HEADER: &[u8] = b"pinaivu-receipts/v1\n";
const CHECK_BYTES: usize = 32;

/// The directory.
#[derive(Clone, Debug)]
pub(crate) struct Archive {
    directory: PathBuf,
}

impl Archive {
    /// The archive of the database at `path`.
    pub(crate) fn beside(path: &Path) -> Self {
        Self { directory: path.with_file_name("archive") }
    }

    fn file(&self, epoch: u32, bundle: u64) -> PathBuf {
        self.directory.join(epoch.to_string()).join(format!("{bundle:012}.receipts"))
    }

    /// Writes a bundle's file; durable when this returns. The same again is fine.
    pub(crate) fn write(
        &self,
        epoch: u32,
        bundle: u64,
        receipts: &[Vec<u8>],
    ) -> Result<(), StoreError> {
        if receipts.len() != usize::from(BUNDLE) {
            return Err(StoreError::Range("a bundle"));
        }
        let mut bytes = HEADER.to_vec();
        for receipt in receipts {
            let length =
                u32::try_from(receipt.len()).map_err(|_| StoreError::Range("a receipt"))?;
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(receipt);
        }
        let check = sha256(&[&bytes]);
        bytes.extend_from_slice(&check.0);
        let path = self.file(epoch, bundle);
        let write = || -> std::io::Result<()> {
            let folder = path.parent().unwrap_or(&self.directory);
            let new = !folder.exists();
            fs::create_dir_all(folder)?;
            let partial = path.with_extension("partial");
            let mut file = fs::File::create(&partial)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&partial, &path)?;
            fs::File::open(folder)?.sync_all()?;
            if new && let Some(above) = folder.parent() {
                fs::File::open(above)?.sync_all()?;
            }
            Ok(())
        };
        write().map_err(|cause| StoreError::File { path: path.clone(), cause })
    }

    /// A bundle's receipts, as they were stored.
    pub(crate) fn read(&self, epoch: u32, bundle: u64) -> Result<Vec<Vec<u8>>, StoreError> {
        let path = self.file(epoch, bundle);
        let bytes = fs::read(&path).map_err(|cause| StoreError::File { path, cause })?;
        parse(&bytes).ok_or(StoreError::Corrupt("a file of the archive is not what was written"))
    }
}

fn parse(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (content, check) = bytes.split_at_checked(bytes.len().checked_sub(CHECK_BYTES)?)?;
    if sha256(&[content]).0 != check {
        return None;
    }
    let mut rest = content.strip_prefix(HEADER)?;
    let mut receipts = Vec::with_capacity(usize::from(BUNDLE));
    while let Some((length, more)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (receipt, more) = more.split_at_checked(length)?;
        receipts.push(receipt.to_vec());
        rest = more;
    }
    (rest.is_empty() && receipts.len() == usize::from(BUNDLE)).then_some(receipts)
}
