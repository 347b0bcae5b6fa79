//! The last head of a log that was closed by opening the next epoch. Never changes, never closes.

use anchor_lang::prelude::*;

/// Seeds: `"epoch"`, coordinator, epoch (u32 LE).
#[account]
#[derive(InitSpace, Debug, PartialEq, Eq)]
pub struct EpochHead {
    /// [`super::VERSION`].
    pub version: u8,
    /// Of this account's address.
    pub bump: u8,
    /// Whose log it was.
    pub coordinator: Pubkey,
    /// Which of its logs.
    pub epoch: u32,
    /// Number of leaves.
    pub size: u64,
    /// RFC 9162 root.
    pub root: [u8; 32],
    /// The slot in which it was closed.
    pub closed_slot: u64,
    /// Zero; for later versions.
    pub reserved: [u8; 32],
}
