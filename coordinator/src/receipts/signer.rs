//! The coordinator's hot key, and the secrets that follow from it.
//!
//! This is the only module that holds the key. It signs receipt heads (for the pipeline, after which
//! nothing leaves before it is durable), heads of the log, tunnel hellos, and settlement transactions. From the seed it
//! derives, by HKDF-SHA-256, the key of a ticket's `issuer_mac` and the key that masks
//! [`Billing`]: neither is ever stored, and both survive a crash.

use std::fmt;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::{constant_time, hkdf, hmac};
use pinaivu_log::checkpoint::{Checkpoint, CheckpointError};
use pinaivu_log::note::Note;
use pinaivu_protocol::acknowledgement::AskAcknowledgement;
use pinaivu_protocol::ids::{PublicKey, RequestId};
use pinaivu_protocol::receipt::ReceiptHead;
use pinaivu_protocol::signed::{Signed, SigningKey};
use pinaivu_protocol::ticket::Ticket;
use pinaivu_protocol::tunnel::Hello;
use pinaivu_protocol::units::TokenCount;
use solana_keypair::Keypair;
use zeroize::Zeroizing;

use crate::store::AccountHandle;

const SECRETS_SALT: &[u8] = b"pinaivu/coordinator-secrets/v1";
const ISSUER_INFO: &[u8] = b"ticket issuer mac";
const BILLING_INFO: &[u8] = b"ticket billing mask";
const BILLING_TAG: &[u8] = b"billing";

/// Why a key file cannot be used. Never contains any of its content.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read.
    #[error("cannot read the key file {path}")]
    Read {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// It cannot be made.
    #[error("cannot make the key file {path}")]
    Write {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// It is not a JSON array of 64 bytes, as `solana-keygen` writes it.
    #[error("{path} is not a Solana key file: a JSON array of 64 bytes")]
    Format {
        /// Which one.
        path: PathBuf,
    },
    /// The second half is not the public key of the first.
    #[error("the two halves of {path} do not belong together")]
    Mismatch {
        /// Which one.
        path: PathBuf,
    },
    /// The library refuses the seed.
    #[error("the seed is not an Ed25519 key")]
    Seed,
}

/// What the coordinator needs to bill a ticket after it has lost everything but the database: carried in
/// the ticket, masked, so that nodes see noise and two requests of one client look unrelated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Billing {
    /// Who pays.
    pub account: AccountHandle,
    /// Most prompt tokens the request can be charged: what the hold was computed with.
    pub max_input: TokenCount,
}

impl Billing {
    fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let (account, max_input) = bytes.split_at_mut(12);
        account.copy_from_slice(&self.account.0);
        max_input.copy_from_slice(&self.max_input.0.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: [u8; 16]) -> Self {
        let [a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, t0, t1, t2, t3] = bytes;
        Self {
            account: AccountHandle([a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11]),
            max_input: TokenCount(u32::from_le_bytes([t0, t1, t2, t3])),
        }
    }
}

/// The hot key and what follows from it.
pub struct Signer {
    key: SigningKey,
    keypair: Keypair,
    issuer: hmac::Key,
    billing: hmac::Key,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signer").field(&self.key.public()).finish()
    }
}

impl Signer {
    /// The signer of a 32-byte seed.
    ///
    /// # Errors
    /// [`KeyFileError::Seed`].
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, KeyFileError> {
        let key = SigningKey::from_seed(seed).map_err(|_| KeyFileError::Seed)?;
        let secrets = hkdf::Salt::new(hkdf::HKDF_SHA256, SECRETS_SALT).extract(seed);
        let derive = |info: &'static [u8]| {
            let info = [info];
            let derived = secrets.expand(&info, hmac::HMAC_SHA256);
            derived.map(hmac::Key::from).map_err(|_| KeyFileError::Seed)
        };
        Ok(Self {
            key,
            keypair: Keypair::new_from_array(*seed),
            issuer: derive(ISSUER_INFO)?,
            billing: derive(BILLING_INFO)?,
        })
    }

    /// Reads a key file as `solana-keygen` writes it: a JSON array of the seed's and the public key's
    /// bytes.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn from_file(path: &Path) -> Result<Self, KeyFileError> {
        let text = std::fs::read(path)
            .map(Zeroizing::new)
            .map_err(|cause| KeyFileError::Read { path: path.to_owned(), cause })?;
        let format = || KeyFileError::Format { path: path.to_owned() };
        let bytes: Zeroizing<Vec<u8>> =
            serde_json::from_slice(&text).map(Zeroizing::new).map_err(|_| format())?;
        let (seed, public) = bytes.split_first_chunk::<32>().ok_or_else(format)?;
        let public: &[u8; 32] = public.try_into().map_err(|_| format())?;
        let signer = Self::from_seed(seed)?;
        if signer.public().as_bytes() != public {
            return Err(KeyFileError::Mismatch { path: path.to_owned() });
        }
        Ok(signer)
    }

    /// Reads the key file at `path`, or makes a new key there that only its owner can read.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn load_or_create(path: &Path) -> Result<Self, KeyFileError> {
        match Self::from_file(path) {
            Err(KeyFileError::Read { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {}
            read => return read,
        }
        let failed = |cause| KeyFileError::Write { path: path.to_owned(), cause };
        let bytes = Zeroizing::new(Keypair::new().to_bytes());
        let text = serde_json::to_vec(bytes.as_slice()).map(Zeroizing::new);
        let text = text.map_err(|error| failed(error.into()))?;
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut file = options.open(path).map_err(failed)?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(failed)?;
        Self::from_file(path)
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> PublicKey {
        self.key.public()
    }

    /// Signs a tunnel's first message.
    #[must_use]
    pub fn sign_hello(&self, hello: Hello) -> Signed<Hello> {
        self.key.sign(hello)
    }

    /// Signs the word for an ask. The caller keeps it to itself until the book's entries are durable.
    #[must_use]
    pub fn sign_acknowledgement(&self, word: AskAcknowledgement) -> Signed<AskAcknowledgement> {
        self.key.sign(word)
    }

    /// Signs a receipt's head. The caller keeps it to itself until the receipt is durable.
    pub(super) fn sign_head(&self, head: ReceiptHead) -> Signed<ReceiptHead> {
        self.key.sign(head)
    }

    /// Signs a head of the log, which the caller read from what is durable.
    pub(super) fn sign_checkpoint(&self, checkpoint: &Checkpoint) -> Result<Note, CheckpointError> {
        checkpoint.sign(&self.key)
    }

    /// The same key as Solana's libraries take it, for settlement transactions.
    pub(crate) const fn keypair(&self) -> &Keypair {
        &self.keypair
    }

    /// Fills in `billing` and then `issuer_mac`, the last two fields; call it when every other field is
    /// final.
    pub fn seal_ticket(&self, ticket: &mut Ticket, billing: Billing) {
        ticket.billing = self.masked(billing.to_bytes(), ticket.request);
        ticket.issuer_mac = self.issuer_mac(ticket);
    }

    /// Signs a ticket that a client carries to the node itself.
    #[must_use]
    pub fn sign_ticket(&self, ticket: Ticket) -> Signed<Ticket> {
        self.key.sign(ticket)
    }

    /// Whether this coordinator issued exactly this ticket.
    #[must_use]
    pub fn issued(&self, ticket: &Ticket) -> bool {
        constant_time::verify_slices_are_equal(&self.issuer_mac(ticket), &ticket.issuer_mac).is_ok()
    }

    /// Reads the billing of a ticket that [`Self::issued`] says is ours.
    #[must_use]
    pub fn billing(&self, ticket: &Ticket) -> Billing {
        Billing::from_bytes(self.masked(ticket.billing, ticket.request))
    }

    fn issuer_mac(&self, ticket: &Ticket) -> [u8; 32] {
        let mut mac = [0; 32];
        mac.copy_from_slice(hmac::sign(&self.issuer, &ticket.issuer_bytes()).as_ref());
        mac
    }

    /// `bytes ⊕ HMAC-SHA-256(key, "billing" ‖ request)[..16]`: its own inverse.
    fn masked(&self, bytes: [u8; 16], request: RequestId) -> [u8; 16] {
        let mut context = hmac::Context::with_key(&self.billing);
        context.update(BILLING_TAG);
        context.update(request.as_bytes());
        let mask = context.sign();
        let mut masked = bytes;
        for (byte, mask) in masked.iter_mut().zip(mask.as_ref()) {
            *byte ^= mask;
        }
        masked
    }
}
