//! Receipts that have left the database: objects of one entry bundle each, in the directory `archive`
//! beside it or in a bucket that speaks S3. One code path for both, by `object_store`.
//!
//! An object holds the 256 receipts of a full bundle as they were stored, signatures included, and ends
//! with the hash of everything before, so that a copy can be checked by itself. The database keeps each
//! receipt's row, the tree over all of them and their order; a row whose bytes are empty has them here.
//! Invariant: a [`Copied`] exists only for an object that was read back and found to hold the very leaves
//! of the tree, and bytes leave the database only for one.
//!
//! Reading happens inside looks at the database. Looks that wait for a bucket are fewer than there may
//! be, so that a slow one never keeps everybody else from the database.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{BackoffConfig, ObjectStore, ObjectStoreExt as _, RetryConfig};
use parking_lot::Mutex;
use pinaivu_protocol::hash::{Hash32, sha256};
use pinaivu_protocol::receipt::Receipt;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

use super::StoreError;
use super::bucket::Connector;

/// Receipts in one object, as in one full bundle of the log.
pub const BUNDLE: u16 = 256;

const HEADER: &[u8] = b"pinaivu-receipts/v1\n";
const CHECK_BYTES: usize = 32;

/// Bundles of a bucket that are kept in memory, of about 300 KiB each: neighbours are asked for together.
const KEPT: usize = 16;

/// How long a bucket is tried again before somebody is told that it failed.
const RETRY: RetryConfig = RetryConfig {
    backoff: BackoffConfig {
        init_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(2),
        base: 2.0,
    },
    max_retries: 3,
    retry_timeout: Duration::from_secs(10),
};

/// A bundle's receipts, as they were stored.
pub(crate) type Bundle = Arc<[Vec<u8>]>;

/// A bundle that is in the archive, whole: it was read there.
#[derive(Debug)]
pub struct Copied {
    epoch: u32,
    bundle: u64,
}

impl Copied {
    /// Epoch and number.
    pub(crate) const fn place(&self) -> (u32, u64) {
        (self.epoch, self.bundle)
    }
}

/// The archive. Clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Archive {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    objects: Arc<dyn ObjectStore>,
    /// What every name begins with.
    above: ObjectPath,
    remote: Option<Remote>,
    /// Its own, because the writer's thread has none and a look may come from any.
    runtime: Option<Runtime>,
}

#[derive(Debug)]
struct Remote {
    kept: Mutex<VecDeque<((u32, u64), Bundle)>>,
    waiting: Semaphore,
}

impl Archive {
    /// The archive of the database at `database`: in the directory beside it, or at `url`
    /// (`s3://BUCKET/PREFIX`), where credentials, region and endpoint come from the usual `AWS_…`
    /// variables. At most `waiting` looks wait for a bucket at a time. Touches neither disk nor network.
    pub(crate) fn open(
        database: &Path,
        url: Option<&str>,
        waiting: usize,
    ) -> Result<Self, StoreError> {
        let failed = |cause| StoreError::Archive { object: url.unwrap_or("archive").into(), cause };
        let (objects, above, remote): (Arc<dyn ObjectStore>, _, _) = match url {
            Some(url) => {
                let bucket = AmazonS3Builder::from_env()
                    .with_url(url)
                    .with_http_connector(Connector)
                    .with_retry(RETRY)
                    .build()
                    .map_err(failed)?;
                let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
                let prefix = after_scheme.split_once('/').map_or("", |(_, prefix)| prefix);
                let above = ObjectPath::parse(prefix).map_err(|cause| failed(cause.into()))?;
                let remote =
                    Remote { kept: Mutex::default(), waiting: Semaphore::new(waiting.max(1)) };
                (Arc::new(bucket), above, Some(remote))
            }
            None => {
                let directory = database.with_file_name("archive");
                let directory = std::path::absolute(&directory)
                    .map_err(|cause| StoreError::File { path: directory, cause })?;
                let above = ObjectPath::from_absolute_path(directory)
                    .map_err(|cause| failed(cause.into()))?;
                (Arc::new(LocalFileSystem::new().with_fsync(true)), above, None)
            }
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("store-archive")
            .enable_all()
            .build()
            .map_err(|cause| StoreError::File { path: "store-archive".into(), cause })?;
        Ok(Self { inner: Arc::new(Inner { objects, above, remote, runtime: Some(runtime) }) })
    }

    fn object(&self, epoch: u32, bundle: u64) -> ObjectPath {
        self.inner.above.clone().join(epoch.to_string()).join(format!("{bundle:012}.receipts"))
    }

    fn runtime(&self) -> Result<&Runtime, StoreError> {
        self.inner.runtime.as_ref().ok_or(StoreError::Closed)
    }

    /// Writes a bundle's object, reads it again and compares it with the leaves of the tree. The same
    /// again is fine.
    pub(crate) async fn copy(
        &self,
        epoch: u32,
        bundle: u64,
        receipts: Vec<Vec<u8>>,
        leaves: Vec<Hash32>,
    ) -> Result<Copied, StoreError> {
        let archive = self.clone();
        let copying = self.runtime()?.spawn(async move {
            let name = archive.object(epoch, bundle);
            let bytes = encode(&receipts)?;
            let failed = |cause| StoreError::Archive { object: name.to_string(), cause };
            archive.inner.objects.put(&name, bytes.into()).await.map_err(failed)?;
            let found = archive.fetch(epoch, bundle).await?;
            let found = found.iter().map(|bytes| Receipt::decode(bytes).map(|found| found.leaf()));
            if leaves.len() != usize::from(BUNDLE)
                || !found.zip(&leaves).all(|(found, leaf)| found.as_ref() == Ok(leaf))
            {
                return Err(StoreError::Corrupt("an object of the archive holds other receipts"));
            }
            Ok(Copied { epoch, bundle })
        });
        copying.await.unwrap_or(Err(StoreError::Closed))
    }

    /// A bundle's receipts. Blocks; not for a thread that runs tasks.
    pub(crate) fn read(&self, epoch: u32, bundle: u64) -> Result<Bundle, StoreError> {
        let handle = self.runtime()?.handle();
        let Some(remote) = &self.inner.remote else {
            return handle.block_on(self.fetch(epoch, bundle));
        };
        let place = (epoch, bundle);
        if let Some(known) = remote.kept.lock().iter().find(|(known, _)| *known == place) {
            return Ok(Arc::clone(&known.1));
        }
        let _permit = remote.waiting.try_acquire().map_err(|_| StoreError::ArchiveBusy)?;
        let receipts = handle.block_on(self.fetch(epoch, bundle))?;
        let mut kept = remote.kept.lock();
        kept.truncate(KEPT.saturating_sub(1));
        kept.push_front((place, Arc::clone(&receipts)));
        Ok(receipts)
    }

    async fn fetch(&self, epoch: u32, bundle: u64) -> Result<Bundle, StoreError> {
        let name = self.object(epoch, bundle);
        let got = async { self.inner.objects.get(&name).await?.bytes().await };
        let bytes =
            got.await.map_err(|cause| StoreError::Archive { object: name.to_string(), cause })?;
        parse(&bytes).ok_or(StoreError::Corrupt("an object of the archive is not what was written"))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The last one may go inside a task, where waiting for the thread is not allowed.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn encode(receipts: &[Vec<u8>]) -> Result<Vec<u8>, StoreError> {
    if receipts.len() != usize::from(BUNDLE) {
        return Err(StoreError::Range("a bundle"));
    }
    let mut bytes = HEADER.to_vec();
    for receipt in receipts {
        let length = u32::try_from(receipt.len()).map_err(|_| StoreError::Range("a receipt"))?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(receipt);
    }
    let check = sha256(&[&bytes]);
    bytes.extend_from_slice(&check.0);
    Ok(bytes)
}

fn parse(bytes: &[u8]) -> Option<Bundle> {
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
    (rest.is_empty() && receipts.len() == usize::from(BUNDLE)).then(|| receipts.into())
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::integer_division,
        reason = "tests"
    )]

    use super::*;

    #[tokio::test]
    async fn object_that_is_not_the_trees_is_not_copied_and_a_broken_one_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let archive = Archive::open(&directory.path().join("coordinator.db"), None, 1).unwrap();
        let receipts = vec![b"no receipt".to_vec(); usize::from(BUNDLE)];
        let leaves = vec![Hash32::ZERO; usize::from(BUNDLE)];
        let refused = archive.copy(3, 7, receipts.clone(), leaves.clone()).await;
        assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{refused:?}");
        let refused = archive.copy(3, 8, receipts[1..].to_vec(), leaves).await;
        assert!(matches!(refused, Err(StoreError::Range(_))), "{refused:?}");

        let path = directory.path().join("archive/3/000000000007.receipts");
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes, encode(&receipts).unwrap());
        assert_eq!(parse(&bytes).unwrap().to_vec(), receipts);
        for place in [0, HEADER.len(), bytes.len() / 2, bytes.len() - 1] {
            let mut broken = bytes.clone();
            *broken.get_mut(place).unwrap() ^= 1;
            assert_eq!(parse(&broken), None, "byte {place}");
        }
        assert_eq!(parse(&bytes[..CHECK_BYTES - 1]), None);
    }

    #[test]
    fn bucket_that_is_not_one_is_refused() {
        let database = Path::new("coordinator.db");
        for url in ["s3://", "ftp://bucket/x", "s3://bucket/a//b"] {
            let refused = Archive::open(database, Some(url), 1);
            assert!(matches!(refused, Err(StoreError::Archive { .. })), "{url}: {refused:?}");
        }
    }
}
