//! Signed notes (C2SP `signed-note`): text with named Ed25519 signatures below it.
//!
//! ```text
//! text, any number of lines
//!
//! — name base64(key id ‖ signature)
//! ```
//!
//! Invariant: a [`Note`] holds text that can be signed at all (UTF-8, ends with a newline, no other
//! control characters), and formatting what was parsed gives the same bytes back. Parsing verifies
//! nothing; [`Note::signatures_of`] does, under a key the caller trusts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use borsh::{BorshDeserialize, BorshSerialize};
use pinaivu_protocol::hash::sha256;
use pinaivu_protocol::ids::PublicKey;
use pinaivu_protocol::signed::{Signable, Signature, Signed, SigningKey};

/// Longest note that is read: a checkpoint and as many signatures as [`MAX_SIGNATURES`].
pub const MAX_NOTE_BYTES: usize = 64 * 1024;

/// Most signatures of a note that are read; the specification asks for at least 16.
pub const MAX_SIGNATURES: usize = 64;

/// What kind of signature a line holds: the byte that goes into its key id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureType {
    /// Ed25519 over the note's text.
    Ed25519 = 0x01,
    /// A witness's timestamped Ed25519 signature ([`crate::cosignature`]).
    Cosignature = 0x04,
}

/// Why text is not a note, or a note is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Longer than [`MAX_NOTE_BYTES`].
    #[error("the note is too long")]
    TooLong,
    /// Not text, signature block and nothing else, or with control characters in it.
    #[error("this is not a signed note")]
    Format,
    /// More than [`MAX_SIGNATURES`].
    #[error("the note has too many signatures")]
    TooManySignatures,
    /// A key's name is empty or has spaces or a plus sign.
    #[error("'{0}' cannot be the name of a key")]
    Name(String),
    /// Not signed by the key that was expected.
    #[error("the note is not signed by {0}")]
    Unsigned(String),
    /// There is a signature of that key, and it does not verify.
    #[error("the signature of {0} does not verify")]
    Signature(String),
}

/// The key that signs notes under a name, as everybody knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteKey {
    name: String,
    key: PublicKey,
    kind: SignatureType,
}

impl NoteKey {
    /// A key and its name.
    ///
    /// # Errors
    /// [`NoteError::Name`].
    pub fn new(
        name: impl Into<String>,
        key: PublicKey,
        kind: SignatureType,
    ) -> Result<Self, NoteError> {
        let name = name.into();
        if is_name(&name) { Ok(Self { name, key, kind }) } else { Err(NoteError::Name(name)) }
    }

    /// Reads the usual text form, `name+id+base64(type ‖ key)`.
    ///
    /// # Errors
    /// [`NoteError::Format`] when it is not that or the id belongs to another key.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let (name, rest) = text.split_once('+').ok_or(NoteError::Format)?;
        let (id, key) = rest.split_once('+').ok_or(NoteError::Format)?;
        let bytes = STANDARD.decode(key).map_err(|_| NoteError::Format)?;
        let (kind, key) = bytes.split_first().ok_or(NoteError::Format)?;
        let kind = match kind {
            0x01 => SignatureType::Ed25519,
            0x04 => SignatureType::Cosignature,
            _ => return Err(NoteError::Format),
        };
        let key = PublicKey(key.try_into().map_err(|_| NoteError::Format)?);
        let parsed = Self::new(name, key, kind)?;
        if format!("{:08x}", u32::from_be_bytes(parsed.id())) == id {
            Ok(parsed)
        } else {
            Err(NoteError::Format)
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What kind of signature it makes.
    #[must_use]
    pub const fn kind(&self) -> SignatureType {
        self.kind
    }

    /// The key itself.
    #[must_use]
    pub const fn key(&self) -> PublicKey {
        self.key
    }

    /// `SHA-256(name ‖ "\n" ‖ type ‖ key)[..4]`.
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        let hash = sha256(&[self.name.as_bytes(), b"\n", &[self.kind as u8], self.key.as_bytes()]);
        let [a, b, c, d, ..] = hash.0;
        [a, b, c, d]
    }
}

impl std::fmt::Display for NoteKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut key = vec![self.kind as u8];
        key.extend_from_slice(self.key.as_bytes());
        write!(f, "{}+{:08x}+{}", self.name, u32::from_be_bytes(self.id()), STANDARD.encode(key))
    }
}

/// One signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    /// The key's name.
    pub name: String,
    /// The key's id.
    pub key_id: [u8; 4],
    /// What follows the id; 64 bytes for Ed25519, 72 for a cosignature.
    pub signature: Vec<u8>,
}

impl NoteSignature {
    /// Reads one line, without its newline.
    ///
    /// # Errors
    /// [`NoteError::Format`].
    pub fn parse(line: &str) -> Result<Self, NoteError> {
        let rest = line.strip_prefix("— ").ok_or(NoteError::Format)?;
        let (name, encoded) = rest.split_once(' ').ok_or(NoteError::Format)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| NoteError::Format)?;
        let (key_id, signature) = bytes.split_first_chunk::<4>().ok_or(NoteError::Format)?;
        if !is_name(name) || signature.is_empty() {
            return Err(NoteError::Format);
        }
        Ok(Self { name: name.to_owned(), key_id: *key_id, signature: signature.to_vec() })
    }

    /// Whether name and id are those of `key`.
    #[must_use]
    pub fn is_by(&self, key: &NoteKey) -> bool {
        self.name == key.name && self.key_id == key.id()
    }
}

impl std::fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut bytes = self.key_id.to_vec();
        bytes.extend_from_slice(&self.signature);
        write!(f, "— {} {}", self.name, STANDARD.encode(bytes))
    }
}

/// Text and its signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    /// In the order of the note.
    pub signatures: Vec<NoteSignature>,
}

impl Note {
    /// Reads a note. Verifies nothing.
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        if note.len() > MAX_NOTE_BYTES {
            return Err(NoteError::TooLong);
        }
        if note.chars().any(|c| c < '\u{20}' && c != '\n') {
            return Err(NoteError::Format);
        }
        // The last empty line separates text and signatures.
        let split = note.rfind("\n\n").ok_or(NoteError::Format)?;
        let (text, rest) = note.split_at(split.saturating_add(1));
        let block = rest.strip_prefix('\n').ok_or(NoteError::Format)?;
        let block = block.strip_suffix('\n').ok_or(NoteError::Format)?;
        let mut signatures = Vec::new();
        for line in block.split('\n') {
            if signatures.len() >= MAX_SIGNATURES {
                return Err(NoteError::TooManySignatures);
            }
            signatures.push(NoteSignature::parse(line)?);
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// Signs `text`, which ends with a newline and has no other control characters.
    pub(crate) fn sign(text: String, name: &str, key: &SigningKey) -> Result<Self, NoteError> {
        let public = NoteKey::new(name, key.public(), SignatureType::Ed25519)?;
        let signature = key.sign(SignedText(text.clone().into_bytes())).signature;
        let line = NoteSignature {
            name: public.name.clone(),
            key_id: public.id(),
            signature: signature.0.to_vec(),
        };
        Ok(Self { text, signatures: vec![line] })
    }

    /// What is signed, its last newline included.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The lines by `key`, however many; of other keys nothing is said.
    pub fn signatures_of<'a>(
        &'a self,
        key: &'a NoteKey,
    ) -> impl Iterator<Item = &'a NoteSignature> + 'a {
        self.signatures.iter().filter(|line| line.is_by(key))
    }

    /// Checks that the note is signed by an Ed25519 `key`. A line of that key that does not verify
    /// makes the whole note worthless.
    ///
    /// # Errors
    /// [`NoteError::Unsigned`] or [`NoteError::Signature`].
    pub fn verify(&self, key: &NoteKey) -> Result<(), NoteError> {
        let mut found = false;
        for line in self.signatures_of(key) {
            let signature: [u8; 64] = line
                .signature
                .as_slice()
                .try_into()
                .map_err(|_| NoteError::Signature(key.name.clone()))?;
            if !verify_text(self.text.as_bytes(), &signature, &key.key) {
                return Err(NoteError::Signature(key.name.clone()));
            }
            found = true;
        }
        if found { Ok(()) } else { Err(NoteError::Unsigned(key.name.clone())) }
    }
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The text ends its own last line; this makes the empty one.
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

/// Bytes whose format somebody else defined: they are signed as they are, without a tag of ours. No tag
/// of ours can begin such bytes, because a note has no zero byte and every tag ends with one.
#[derive(BorshSerialize, BorshDeserialize)]
pub(crate) struct SignedText(pub(crate) Vec<u8>);

impl Signable for SignedText {
    const TAG: &'static [u8] = b"";

    fn signing_bytes(&self) -> Vec<u8> {
        self.0.clone()
    }
}

pub(crate) fn verify_text(text: &[u8], signature: &[u8; 64], key: &PublicKey) -> bool {
    let signed = Signed { record: SignedText(text.to_vec()), signature: Signature(*signature) };
    signed.verify(key).is_ok()
}
