//! Making evidence, with whatever this machine has.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::binding::{Binding, Nonce};
use crate::development::Development;
use crate::evidence::{Evidence, Kind};
use crate::nsm::{self, NitroAttester};
use crate::tdx::Collateral;
use crate::tsm::{TdxAttester, TsmError};

/// Asks the hardware for a document. Calls block for some milliseconds.
pub trait Attester: Send + Sync + std::fmt::Debug {
    /// What the evidence will be.
    fn kind(&self) -> Kind;

    /// Fresh evidence over `binding` that answers `nonce`.
    ///
    /// # Errors
    /// [`AttestError`].
    fn attest(&self, binding: &Binding, nonce: &Nonce) -> Result<Evidence, AttestError>;
}

/// Why there is no evidence.
#[derive(Debug, thiserror::Error)]
pub enum AttestError {
    /// The Nitro security module refused or is not there.
    #[error("the Nitro security module: {0}")]
    Nsm(String),
    /// The kernel's report interface.
    #[error("the kernel's TSM report interface")]
    Tsm(#[from] TsmError),
    /// The collateral's file cannot be used.
    #[error("the collateral in {path} cannot be used: {reason}")]
    Collateral {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The kind that was asked for is not on this machine.
    #[error("this machine has no {0}")]
    Absent(Kind),
}

/// Which attester a configuration asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttesterChoice {
    /// The hardware's, where there is any; otherwise none, and everything says *unattested*.
    #[default]
    Auto,
    /// AWS Nitro, or the process does not start.
    Nitro,
    /// Intel TDX, or the process does not start.
    Tdx,
    /// Development evidence, which proves nothing.
    Development,
    /// No evidence at all.
    None,
}

impl AttesterChoice {
    /// Finds the attester on this machine. `collateral` is the file with Intel's collateral, which a TDX
    /// attester adds to its quotes and reads again every time.
    ///
    /// # Errors
    /// [`AttestError::Absent`] when the kind that was asked for is not there, and
    /// [`AttestError::Collateral`] when its file cannot be used.
    pub fn find(self, collateral: Option<&Path>) -> Result<Option<Box<dyn Attester>>, AttestError> {
        let nitro = || nsm::present().then(|| Box::new(NitroAttester) as Box<dyn Attester>);
        let tdx = || -> Result<Option<Box<dyn Attester>>, AttestError> {
            let Some(attester) = TdxAttester::find(collateral.map(Path::to_owned)) else {
                return Ok(None);
            };
            attester.collateral()?;
            Ok(Some(Box::new(attester)))
        };
        match self {
            Self::None => Ok(None),
            Self::Development => Ok(Some(Box::new(Development))),
            Self::Nitro => nitro().map(Some).ok_or(AttestError::Absent(Kind::Nitro)),
            Self::Tdx => tdx()?.map(Some).ok_or(AttestError::Absent(Kind::Tdx)),
            Self::Auto => match nitro() {
                Some(found) => Ok(Some(found)),
                None => tdx(),
            },
        }
    }
}

/// Reads a collateral file.
pub(crate) fn read_collateral(path: &Path) -> Result<Collateral, AttestError> {
    let failed = |reason: String| AttestError::Collateral { path: path.to_owned(), reason };
    let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string()))
}
