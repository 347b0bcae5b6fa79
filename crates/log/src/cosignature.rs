//! Witnesses' signatures on checkpoints (C2SP `tlog-cosignature`, Ed25519).
//!
//! A cosignature says: at this time, this was the largest head of this log that the witness had seen,
//! and it extends every head it saw before. It is a signature line of the checkpoint's note.

use pinaivu_protocol::ids::PublicKey;
use pinaivu_protocol::signed::SigningKey;

use crate::checkpoint::Checkpoint;
use crate::note::{
    Note, NoteError, NoteKey, NoteSignature, SignatureType, SignedText, verify_text,
};

/// What a witness signs: `cosignature/v1`, the time in seconds since 1970, the checkpoint.
fn message(text: &str, time: u64) -> Vec<u8> {
    format!("cosignature/v1\ntime {time}\n{text}").into_bytes()
}

/// A witness's key under its name.
///
/// # Errors
/// [`NoteError::Name`].
pub fn witness_key(name: &str, key: PublicKey) -> Result<NoteKey, NoteError> {
    NoteKey::new(name, key, SignatureType::Cosignature)
}

/// Cosigns `checkpoint` at `time`, in seconds since 1970. That it extends what was cosigned before is
/// for the caller to have checked.
///
/// # Errors
/// [`NoteError::Name`].
pub fn cosign(
    checkpoint: &Checkpoint,
    name: &str,
    key: &SigningKey,
    time: u64,
) -> Result<NoteSignature, NoteError> {
    let public = witness_key(name, key.public())?;
    let signed = key.sign(SignedText(message(&checkpoint.text(), time)));
    let mut signature = time.to_be_bytes().to_vec();
    signature.extend_from_slice(&signed.signature.0);
    Ok(NoteSignature { name: name.to_owned(), key_id: public.id(), signature })
}

/// Checks one line over `checkpoint`; gives its time in seconds since 1970.
///
/// # Errors
/// [`NoteError::Unsigned`] when the line is not of `witness`, [`NoteError::Signature`] when it does not
/// verify.
pub fn verify_line(
    line: &NoteSignature,
    checkpoint: &Checkpoint,
    witness: &NoteKey,
) -> Result<u64, NoteError> {
    if !line.is_by(witness) {
        return Err(NoteError::Unsigned(witness.name().to_owned()));
    }
    let broken = || NoteError::Signature(witness.name().to_owned());
    let (time, signature) = line.signature.split_first_chunk::<8>().ok_or_else(broken)?;
    let signature: [u8; 64] = signature.try_into().map_err(|_| broken())?;
    let time = u64::from_be_bytes(*time);
    // The specification's limit.
    if i64::try_from(time).is_err()
        || !verify_text(&message(&checkpoint.text(), time), &signature, &witness.key())
    {
        return Err(broken());
    }
    Ok(time)
}

/// Checks that `witness` cosigned the note's checkpoint; gives the newest time.
///
/// # Errors
/// As [`verify_line`], also when any line of that witness is broken.
pub fn verify(note: &Note, checkpoint: &Checkpoint, witness: &NoteKey) -> Result<u64, NoteError> {
    let mut newest = None;
    for line in note.signatures_of(witness) {
        newest = newest.max(Some(verify_line(line, checkpoint, witness)?));
    }
    newest.ok_or_else(|| NoteError::Unsigned(witness.name().to_owned()))
}
