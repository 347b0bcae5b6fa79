//! Bytes that somebody collects over several transactions, to show them to the program in one.

use anchor_lang::prelude::*;

use super::VERSION;
use crate::error::PinaivuError;

/// Most bytes of one buffer. A receipt with the longest model names and a path of 63 hashes stays well
/// below.
pub const MAX_EVIDENCE_LEN: u32 = 8_192;

/// Seeds: `"evidence"`, owner, number (u64 LE). Allocated for its length.
#[account]
#[derive(Debug, PartialEq, Eq)]
pub struct EvidenceBuffer {
    /// [`VERSION`].
    pub version: u8,
    /// Of this account's address.
    pub bump: u8,
    /// Who writes it, paid its rent and gets that back.
    pub owner: Pubkey,
    /// Part of the address.
    pub number: u64,
    /// What was written; zero where nothing was.
    pub data: Vec<u8>,
}

impl EvidenceBuffer {
    /// Bytes of an account for `len` bytes of evidence, discriminator included.
    #[must_use]
    pub fn space(len: u32) -> usize {
        // Lengths above the maximum are refused before anything is done with the account.
        let len = usize::try_from(len.min(MAX_EVIDENCE_LEN)).unwrap_or_default();
        len.saturating_add(8 + 1 + 1 + 32 + 8 + 4)
    }

    /// An empty one.
    pub fn new(bump: u8, owner: Pubkey, number: u64, len: u32) -> Result<Self> {
        require!((1..=MAX_EVIDENCE_LEN).contains(&len), PinaivuError::EvidenceOutOfRange);
        let len = usize::try_from(len).map_err(|_| PinaivuError::EvidenceOutOfRange)?;
        Ok(Self { version: VERSION, bump, owner, number, data: vec![0; len] })
    }

    /// Writes `bytes` from `offset` on.
    pub fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<()> {
        let start = usize::try_from(offset).map_err(|_| PinaivuError::EvidenceOutOfRange)?;
        let end = start.checked_add(bytes.len()).ok_or(PinaivuError::EvidenceOutOfRange)?;
        let part = self.data.get_mut(start..end).ok_or(PinaivuError::EvidenceOutOfRange)?;
        part.copy_from_slice(bytes);
        Ok(())
    }

    /// The record that the bytes are, all of them. Kept apart and boxed: receipts are large.
    #[inline(never)]
    pub fn decode<T: AnchorDeserialize>(&self) -> Result<Box<T>> {
        match T::try_from_slice(&self.data) {
            Ok(record) => Ok(Box::new(record)),
            Err(_) => err!(PinaivuError::EvidenceMalformed),
        }
    }
}
