//! The hot key: TLS identity, record signer, and the `signer` of the node's account on chain.
//!
//! The file has Solana's format (a JSON array of 64 bytes: seed ‖ public key), so `solana-keygen` and
//! wallets read it. A missing file is made with mode 0600; an existing one that others may read is
//! refused. The key owns no money: the operator's cold wallet does.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use pinaivu_protocol::ids::PublicKey;
use pinaivu_protocol::signed::SigningKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use solana_keypair::Keypair;
use solana_signer::Signer as _;
use zeroize::Zeroizing;

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or made.
    #[error("key file {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not a JSON array of 64 bytes that are a seed and its public key.
    #[error("{0} is not a Solana key file (a JSON array of 64 bytes)")]
    Format(PathBuf),
    /// Others may read the file.
    #[error("{path} can be read by others (mode {mode:o}); run: chmod 600 {path}")]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The TLS library refused the key or certificate.
    #[error("no TLS certificate can be made from the key")]
    Certificate(#[source] rcgen::Error),
    /// The crypto library refused the key.
    #[error("the crypto library refused the key")]
    Refused,
}

/// The node's hot key in the three forms it is used in.
pub struct HotKey {
    records: SigningKey,
    chain: Keypair,
}

impl std::fmt::Debug for HotKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HotKey({})", self.public())
    }
}

impl HotKey {
    /// Reads the key file at `path`, or makes a new key there.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn load_or_create(path: &Path) -> Result<Self, KeyError> {
        match Self::load(path) {
            Err(KeyError::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Self::create(path)
            }
            loaded => loaded,
        }
    }

    /// A key that is in no file, for a connection that only looks.
    ///
    /// # Errors
    /// [`KeyError::Refused`].
    pub fn throwaway() -> Result<Self, KeyError> {
        let bytes = Zeroizing::new(Keypair::new().to_bytes());
        Self::from_bytes(&*bytes).ok_or(KeyError::Refused)
    }

    /// Reads the key file at `path`.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::File { path: path.to_path_buf(), source };
        let mut file = std::fs::File::open(path).map_err(failed)?;
        refuse_readable_by_others(&file, path)?;
        // The text holds the key in decimal: sized at once, so that growing leaves no copies behind.
        let mut text = Zeroizing::new(String::with_capacity(MAX_FILE_BYTES));
        (&mut file).take(MAX_FILE_BYTES as u64).read_to_string(&mut text).map_err(failed)?;
        let format = || KeyError::Format(path.to_path_buf());
        let bytes: Zeroizing<Vec<u8>> =
            Zeroizing::new(serde_json::from_str(&text).map_err(|_| format())?);
        Self::from_bytes(&bytes).ok_or_else(format)
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let chain = Keypair::try_from(bytes).ok()?;
        let seed = Zeroizing::new(*bytes.first_chunk::<32>()?);
        let records = SigningKey::from_seed(&seed).ok()?;
        // A public half that does not belong to the seed would make signatures nobody can verify.
        (records.public().0 == chain.pubkey().to_bytes()).then_some(Self { records, chain })
    }

    /// Makes a new key and writes it to `path`, which must not exist yet.
    fn create(path: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::File { path: path.to_path_buf(), source };
        let bytes = Zeroizing::new(Keypair::new().to_bytes());
        let key = Self::from_bytes(&*bytes).ok_or(KeyError::Refused)?;
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut text = Zeroizing::new(Vec::with_capacity(MAX_FILE_BYTES));
        serde_json::to_writer(&mut *text, &bytes[..]).map_err(|error| failed(error.into()))?;
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(failed)?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(failed)?;
        tracing::info!(path = %path.display(), signer = %key.public(), "made a new hot key");
        Ok(key)
    }

    /// The public half: what the node's account must name as its signer.
    #[must_use]
    pub const fn public(&self) -> PublicKey {
        self.records.public()
    }

    /// Signs asks and proof roots.
    #[must_use]
    pub const fn records(&self) -> &SigningKey {
        &self.records
    }

    /// Signs transactions.
    #[must_use]
    pub const fn chain(&self) -> &Keypair {
        &self.chain
    }

    /// A self-signed certificate of this key, and the key, for TLS client authentication.
    ///
    /// # Errors
    /// [`KeyError::Certificate`] or [`KeyError::Refused`].
    pub fn tls_identity(
        &self,
    ) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), KeyError> {
        let seed = Zeroizing::new(*self.chain.secret_bytes());
        let pair = aws_lc_rs::signature::Ed25519KeyPair::from_seed_unchecked(&*seed)
            .map_err(|_| KeyError::Refused)?;
        let pkcs8 = pair.to_pkcs8v1().map_err(|_| KeyError::Refused)?;
        let der = PrivatePkcs8KeyDer::from(pkcs8.as_ref().to_vec());
        let signer = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_ED25519)
            .map_err(KeyError::Certificate)?;
        let certificate = rcgen::CertificateParams::new(vec!["pinaivu-node".to_owned()])
            .and_then(|params| params.self_signed(&signer))
            .map_err(KeyError::Certificate)?;
        Ok((certificate.der().clone(), PrivateKeyDer::Pkcs8(der)))
    }
}

/// 64 numbers of up to three digits, commas, brackets, and white space to spare.
const MAX_FILE_BYTES: usize = 1024;

#[cfg(unix)]
fn refuse_readable_by_others(file: &std::fs::File, path: &Path) -> Result<(), KeyError> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata =
        file.metadata().map_err(|source| KeyError::File { path: path.to_path_buf(), source })?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(KeyError::Permissions { path: path.to_path_buf(), mode })
}

#[cfg(not(unix))]
fn refuse_readable_by_others(_: &std::fs::File, _: &Path) -> Result<(), KeyError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::os::unix::fs::PermissionsExt as _;

    use super::{HotKey, KeyError};

    #[test]
    fn missing_file_is_made_private_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys/node.json");
        let made = HotKey::load_or_create(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        assert_eq!(HotKey::load_or_create(&path).unwrap().public(), made.public());
        let certificate = made.tls_identity().unwrap().0;
        let public = made.public();
        assert!(certificate.windows(32).any(|window| window == public.as_bytes()));
    }

    #[test]
    fn file_readable_by_others_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.json");
        HotKey::load_or_create(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            HotKey::load(&path).unwrap_err(),
            KeyError::Permissions { mode: 0o640, .. }
        ));
    }

    #[test]
    fn public_half_of_another_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one.json"), folder.path().join("two.json"));
        HotKey::load_or_create(&one).unwrap();
        HotKey::load_or_create(&two).unwrap();
        let read =
            |path| -> Vec<u8> { serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap() };
        let mut mixed = read(&one);
        mixed.splice(32.., read(&two).split_off(32));
        std::fs::write(&one, serde_json::to_vec(&mixed).unwrap()).unwrap();
        assert!(matches!(HotKey::load(&one).unwrap_err(), KeyError::Format(_)));
    }
}
