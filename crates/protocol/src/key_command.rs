//! What a wallet signs to manage API keys: no password, no session, no administrator's secret.
//!
//! `POST /v1/keys` takes a signed command. The coordinator checks the signature, that the command is for
//! it and recent, that its nonce is new, and that the signer owns the allowance. Keys are shown once, at
//! creation, and stored as a hash.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::ids::{AllowanceId, CoordinatorId, DeploymentId, PublicKey};
use crate::signed::Signable;
use crate::units::UnixMillis;

/// How old a command may be, or how far ahead its clock, in milliseconds.
pub const KEY_COMMAND_WINDOW_MILLIS: u64 = 5 * 60 * 1000;

/// Longest label, in bytes.
pub const MAX_LABEL_LENGTH: usize = 64;

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum KeyAction {
    /// Make a key that spends from `allowance`.
    Create {
        /// Owned by the signer.
        allowance: AllowanceId,
        /// For the person's own use.
        label: String,
    },
    /// The signer's keys, without their secrets.
    List,
    /// End a key at once.
    Revoke {
        /// As [`KeyAction::List`] names it.
        key: [u8; 16],
    },
}

/// A wallet's command about its API keys.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct KeyCommand {
    /// Cluster and program.
    pub deployment: DeploymentId,
    /// Which coordinator.
    pub coordinator: CoordinatorId,
    /// The wallet that signs.
    pub owner: PublicKey,
    /// When it was signed.
    pub issued: UnixMillis,
    /// Makes the command unique; a nonce is taken once.
    pub nonce: [u8; 16],
    /// What to do.
    pub action: KeyAction,
}

impl Signable for KeyCommand {
    const TAG: &'static [u8] = b"pinaivu/key-command/v1\0";
}
