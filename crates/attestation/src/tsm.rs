//! The producing side in an Intel TDX guest: the kernel's `configfs-tsm` report interface.
//!
//! A report is a directory below `/sys/kernel/config/tsm/report`: 64 bytes are written to `inblob`, the
//! quote is read from `outblob`. `generation` counts the writes, so that two users of one directory find
//! out; here every report has a directory of its own unless a name is given.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::attester::{AttestError, Attester, read_collateral};
use crate::binding::{Binding, Nonce};
use crate::evidence::{Evidence, Kind};
use crate::tdx::{Collateral, MAX_QUOTE_BYTES};

const REPORTS: &str = "/sys/kernel/config/tsm/report";

/// What the kernel calls the TDX guest driver.
const PROVIDER: &str = "tdx_guest";

/// Why the kernel gives no quote.
#[derive(Debug, thiserror::Error)]
pub enum TsmError {
    /// A file of the report.
    #[error("{path}")]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The reports are of another kind of hardware.
    #[error("the reports are of '{0}', not of {PROVIDER}")]
    Provider(String),
    /// Somebody else wrote to the report's directory in between.
    #[error("the report was changed while it was made")]
    Disturbed,
    /// The quote is longer than any is.
    #[error("the quote has {0} bytes")]
    TooLong(usize),
}

/// Asks the kernel.
#[derive(Clone, Debug)]
pub struct TdxAttester {
    reports: PathBuf,
    /// The one directory to use; nothing: a new one for each report.
    name: Option<String>,
    collateral: Option<PathBuf>,
}

impl TdxAttester {
    /// The attester, when this kernel has the interface and it gives TDX quotes. `collateral` is the file
    /// with Intel's collateral.
    #[must_use]
    pub fn find(collateral: Option<PathBuf>) -> Option<Self> {
        let attester = Self { reports: REPORTS.into(), name: None, collateral };
        let report = attester.open().ok()?;
        (report.provider().ok()? == PROVIDER).then_some(attester)
    }

    /// The attester that uses the report directory `name` in `reports`, which may already be there.
    #[must_use]
    pub fn named(
        reports: impl Into<PathBuf>,
        name: impl Into<String>,
        collateral: Option<PathBuf>,
    ) -> Self {
        Self { reports: reports.into(), name: Some(name.into()), collateral }
    }

    fn open(&self) -> Result<Report, TsmError> {
        Report::open(&self.reports, self.name.as_deref())
    }

    /// What Intel signed, from the operator's file; nothing when none is configured.
    ///
    /// # Errors
    /// [`AttestError::Collateral`].
    pub fn collateral(&self) -> Result<Option<Collateral>, AttestError> {
        self.collateral.as_deref().map(read_collateral).transpose()
    }

    /// A quote over 64 bytes.
    ///
    /// # Errors
    /// [`TsmError`].
    pub fn quote(&self, data: &[u8; 64]) -> Result<Vec<u8>, TsmError> {
        let report = self.open()?;
        let provider = report.provider()?;
        if provider != PROVIDER {
            return Err(TsmError::Provider(provider));
        }
        report.write("inblob", data)?;
        let generation = report.read("generation")?;
        let quote = report.read("outblob")?;
        if report.read("generation")? != generation {
            return Err(TsmError::Disturbed);
        }
        if quote.len() > MAX_QUOTE_BYTES {
            return Err(TsmError::TooLong(quote.len()));
        }
        Ok(quote)
    }
}

impl Attester for TdxAttester {
    fn kind(&self) -> Kind {
        Kind::Tdx
    }

    fn attest(&self, binding: &Binding, nonce: &Nonce) -> Result<Evidence, AttestError> {
        let collateral = self.collateral()?;
        let document = self.quote(&binding.report_data(nonce))?;
        let (binding, nonce) = (*binding, *nonce);
        Ok(Evidence { kind: Kind::Tdx, binding, nonce, document, collateral })
    }
}

/// A report's directory, removed when dropped.
struct Report {
    path: PathBuf,
}

impl Report {
    fn open(reports: &Path, name: Option<&str>) -> Result<Self, TsmError> {
        let path = match name {
            Some(name) => reports.join(name),
            None => reports.join(format!("pinaivu-{:016x}", rand::random::<u64>())),
        };
        match fs::create_dir(&path) {
            Ok(()) => Ok(Self { path }),
            Err(error) if name.is_some() && error.kind() == io::ErrorKind::AlreadyExists => {
                Ok(Self { path })
            }
            Err(source) => Err(TsmError::File { path, source }),
        }
    }

    fn provider(&self) -> Result<String, TsmError> {
        let bytes = self.read("provider")?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, TsmError> {
        let path = self.path.join(name);
        fs::read(&path).map_err(|source| TsmError::File { path, source })
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), TsmError> {
        let path = self.path.join(name);
        fs::write(&path, bytes).map_err(|source| TsmError::File { path, source })
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        // configfs removes the attributes with the directory. What cannot be removed harms nobody.
        let _ = fs::remove_dir(&self.path);
    }
}
