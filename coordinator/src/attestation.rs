//! This process's own evidence: made when somebody asks, and kept where receipts name it.
//!
//! Evidence for a question is made for that question's nonce and forgotten. Evidence for receipts is made
//! at intervals, because the vendor's certificates live for hours; each piece is a file under its hash,
//! durable before the first receipt names it, and never removed. Development evidence is shown to whoever
//! asks and never named by a receipt: such receipts say *unattested*, as do those of a coordinator without
//! any.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pinaivu_attestation::{AttestError, Attester, Binding, Evidence, Kind, Nonce};
use pinaivu_protocol::hash::Hash32;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::receipts::NamedEvidence;

/// Questions that the hardware is asked at once; it answers in milliseconds.
const AT_ONCE: usize = 2;

/// After evidence for receipts could not be made.
const RETRY: Duration = Duration::from_secs(30);

/// Why there is no evidence.
#[derive(Debug, thiserror::Error)]
pub enum AttestationError {
    /// The hardware.
    #[error(transparent)]
    Attest(#[from] AttestError),
    /// It cannot be kept.
    #[error("evidence cannot be kept in {path}")]
    Keep {
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The process is ending.
    #[error("interrupted")]
    Interrupted,
}

/// Makes, keeps and shows evidence. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Attestation {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    attester: Option<Box<dyn Attester>>,
    binding: Binding,
    configuration: Value,
    kept: PathBuf,
    named: NamedEvidence,
    places: Semaphore,
}

impl Attestation {
    /// Over what this process is, with what makes its evidence and the directory that keeps it.
    #[must_use]
    pub fn new(
        attester: Option<Box<dyn Attester>>,
        binding: Binding,
        configuration: Value,
        kept: PathBuf,
    ) -> Self {
        let (named, places) = (NamedEvidence::default(), Semaphore::new(AT_ONCE));
        Self { inner: Arc::new(Inner { attester, binding, configuration, kept, named, places }) }
    }

    /// What makes the evidence; nothing: there is none.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        self.inner.attester.as_ref().map(|attester| attester.kind())
    }

    /// In one word, for everything that shows it: `evidence` to check, or `unattested`.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match self.kind() {
            Some(Kind::Nitro | Kind::Tdx) => "evidence",
            Some(Kind::Development) | None => "unattested",
        }
    }

    /// What the evidence vouches for.
    #[must_use]
    pub fn binding(&self) -> &Binding {
        &self.inner.binding
    }

    /// The configuration that is bound, as it is shown.
    #[must_use]
    pub fn configuration(&self) -> &Value {
        &self.inner.configuration
    }

    /// What receipts name.
    #[must_use]
    pub fn named(&self) -> NamedEvidence {
        self.inner.named.clone()
    }

    /// Fresh evidence for `nonce`; nothing when nothing makes any.
    ///
    /// # Errors
    /// [`AttestationError`].
    pub async fn answer(&self, nonce: Nonce) -> Result<Option<Bytes>, AttestationError> {
        if self.inner.attester.is_none() {
            return Ok(None);
        }
        let place = self.inner.places.acquire().await;
        let inner = Arc::clone(&self.inner);
        let asked = tokio::task::spawn_blocking(move || match &inner.attester {
            Some(attester) => attester.attest(&inner.binding, &nonce).map(Some),
            None => Ok(None),
        });
        let evidence = asked.await.map_err(|_| AttestationError::Interrupted)??;
        drop(place);
        Ok(evidence.map(|evidence| evidence.encode().into()))
    }

    /// Evidence that a receipt names; nothing when this process never kept it.
    ///
    /// # Errors
    /// [`AttestationError::Keep`].
    pub async fn kept(&self, hash: Hash32) -> Result<Option<Bytes>, AttestationError> {
        let path = file(&self.inner.kept, hash);
        match tokio::fs::read(&path).await {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(AttestationError::Keep { path, source }),
        }
    }

    /// Makes evidence for the receipts that come, and from then on lets them name it.
    ///
    /// # Errors
    /// [`AttestationError`]; receipts go on naming what they named.
    pub async fn renew(&self) -> Result<(), AttestationError> {
        if !matches!(self.kind(), Some(Kind::Nitro | Kind::Tdx)) {
            return Ok(());
        }
        // Nobody asked a question: the document's own time or the collateral's dates say when it was made.
        let Some(bytes) = self.answer(Nonce::random()).await? else { return Ok(()) };
        let hash = Evidence::hash(&bytes);
        let kept = self.inner.kept.clone();
        let keeping = tokio::task::spawn_blocking(move || keep(&kept, hash, &bytes));
        keeping.await.map_err(|_| AttestationError::Interrupted)??;
        self.inner.named.set(hash);
        Ok(())
    }

    /// Renews until told to stop.
    pub async fn run(self, interval: Duration, stop: CancellationToken) {
        if self.state() == "unattested" {
            stop.cancelled().await;
            return;
        }
        loop {
            let pause = match self.renew().await {
                Ok(()) => interval,
                Err(error) => {
                    tracing::error!(%error, "no new attestation evidence for receipts");
                    RETRY
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return,
            }
        }
    }
}

fn file(directory: &Path, hash: Hash32) -> PathBuf {
    directory.join(format!("{hash}.json"))
}

/// Durable when this returns.
fn keep(directory: &Path, hash: Hash32, bytes: &[u8]) -> Result<(), AttestationError> {
    let path = file(directory, hash);
    let write = || {
        std::fs::create_dir_all(directory)?;
        let partial = path.with_extension("partial");
        let mut file = std::fs::File::create(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&partial, &path)?;
        std::fs::File::open(directory)?.sync_all()
    };
    write().map_err(|source| AttestationError::Keep { path: path.clone(), source })
}

/// The part of a configuration that says how this coordinator behaves towards others: all of it but where
/// it runs (files, addresses, threads and the RPC server, whose URL can hold a secret).
#[must_use]
pub fn bound_configuration(config: &Config) -> Value {
    let mut shown = serde_json::to_value(config).unwrap_or(Value::Null);
    if let Some(all) = shown.as_object_mut() {
        for place in ["data_dir", "signer_key_file", "threads", "attestation"] {
            all.remove(place);
        }
        for (section, key) in
            [("chain", "rpc_url"), ("http", "listen"), ("tunnel", "listen"), ("web", "dir")]
        {
            if let Some(section) = all.get_mut(section).and_then(Value::as_object_mut) {
                section.remove(key);
            }
        }
    }
    shown
}
