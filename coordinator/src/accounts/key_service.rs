//! Carries out wallet-signed commands about API keys.

use std::fmt;
use std::sync::Arc;

use pinaivu_chain::{Allowance, Chain, ChainError, Commitment};
use pinaivu_protocol::ids::{AllowanceId, CoordinatorId, DeploymentId, PublicKey};
use pinaivu_protocol::key_command::{
    KEY_COMMAND_WINDOW_MILLIS, KeyAction, KeyCommand, MAX_LABEL_LENGTH,
};
use pinaivu_protocol::signed::Signed;
use pinaivu_protocol::units::UnixMillis;
use rand::RngCore as _;

use super::Accounts;
use super::keys::{ApiKeys, Secret, generate};
use crate::clock::SharedClock;
use crate::store::{AccountHandle, ApiKey, ApiKeyId, NewAccount, Store, StoreError};

/// Most keys of one wallet that are not revoked.
const MAX_KEYS_PER_OWNER: usize = 256;

/// Why a command is not carried out.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// For another cluster, program or coordinator.
    #[error("the command is for another coordinator or deployment")]
    Party,
    /// Signed too long ago, or too far ahead.
    #[error("the command was signed too long ago or its clock is wrong")]
    Stale,
    /// The signature is not the owner's.
    #[error("the signature does not verify under {0}")]
    Signature(PublicKey),
    /// The nonce was used before.
    #[error("the command was carried out before")]
    Replayed,
    /// The label is too long.
    #[error("the label is longer than {MAX_LABEL_LENGTH} bytes")]
    Label,
    /// Too many keys.
    #[error("a wallet has at most {MAX_KEYS_PER_OWNER} keys; revoke some")]
    TooManyKeys,
    /// No such allowance for this coordinator.
    #[error("there is no allowance {0} for this coordinator")]
    NoAllowance(AllowanceId),
    /// Somebody else's allowance.
    #[error("allowance {0} belongs to another wallet")]
    NotOwner(AllowanceId),
    /// The owner has no such key, or ended it before.
    #[error("there is no such key to revoke")]
    NoKey(ApiKeyId),
    /// The chain cannot be read right now.
    #[error("the chain cannot be read")]
    Chain(#[from] ChainError),
    /// Keys cannot be stored right now.
    #[error("keys cannot be stored")]
    Store(#[from] StoreError),
}

/// What a command gave.
#[derive(Debug)]
pub enum CommandResult {
    /// A key was made. Its secret is nowhere else.
    Created {
        /// The key without its secret.
        key: ApiKey,
        /// The secret, to be shown once.
        secret: Secret,
    },
    /// The owner's keys, oldest first.
    Listed(Vec<ApiKey>),
    /// A key was ended.
    Revoked(ApiKeyId),
}

/// See the module.
#[derive(Clone)]
pub struct KeyService {
    deployment: DeploymentId,
    coordinator: CoordinatorId,
    store: Store,
    chain: Arc<dyn Chain>,
    accounts: Accounts,
    keys: ApiKeys,
    clock: SharedClock,
}

impl fmt::Debug for KeyService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyService").field("coordinator", &self.coordinator).finish_non_exhaustive()
    }
}

impl KeyService {
    /// For the wallets that reserve allowances for one coordinator.
    #[must_use]
    pub fn new(
        deployment: DeploymentId,
        coordinator: CoordinatorId,
        store: Store,
        chain: Arc<dyn Chain>,
        accounts: Accounts,
        keys: ApiKeys,
        clock: SharedClock,
    ) -> Self {
        Self { deployment, coordinator, store, chain, accounts, keys, clock }
    }

    /// Checks a command and carries it out.
    ///
    /// # Errors
    /// [`CommandError`]; nothing has changed then, except that the nonce of a command that passed its
    /// own checks may be taken.
    pub async fn execute(
        &self,
        signed: &Signed<KeyCommand>,
    ) -> Result<CommandResult, CommandError> {
        let command = &signed.record;
        let now = self.clock.now();
        if (command.deployment, command.coordinator) != (self.deployment, self.coordinator) {
            return Err(CommandError::Party);
        }
        if command.issued.0.abs_diff(now.0) > KEY_COMMAND_WINDOW_MILLIS {
            return Err(CommandError::Stale);
        }
        signed.verify(&command.owner).map_err(|_| CommandError::Signature(command.owner))?;
        self.take_nonce(command, now).await?;
        let owner = command.owner;
        match &command.action {
            KeyAction::Create { allowance, label } => {
                self.create(owner, *allowance, label, now).await
            }
            KeyAction::List => {
                let keys = self.store.read(move |look| look.api_keys_of(&owner)).await?;
                Ok(CommandResult::Listed(keys))
            }
            KeyAction::Revoke { key } => self.revoke(owner, ApiKeyId(*key), now).await,
        }
    }

    async fn take_nonce(&self, command: &KeyCommand, now: UnixMillis) -> Result<(), CommandError> {
        let (owner, nonce) = (command.owner, command.nonce);
        // Until then the command itself is refused as stale.
        let expires = UnixMillis(command.issued.0.saturating_add(KEY_COMMAND_WINDOW_MILLIS));
        let taken: Result<bool, StoreError> =
            self.store.write(move |state| state.take_nonce(&owner, &nonce, expires, now)).await;
        if taken? { Ok(()) } else { Err(CommandError::Replayed) }
    }

    async fn create(
        &self,
        owner: PublicKey,
        allowance: AllowanceId,
        label: &str,
        now: UnixMillis,
    ) -> Result<CommandResult, CommandError> {
        if label.len() > MAX_LABEL_LENGTH {
            return Err(CommandError::Label);
        }
        let finalized = self.chain.allowance(allowance, Commitment::Finalized).await?;
        let processed = self.chain.allowance(allowance, Commitment::Processed).await?;
        let newest = processed.as_ref().ok_or(CommandError::NoAllowance(allowance))?;
        if newest.coordinator != self.coordinator {
            return Err(CommandError::NoAllowance(allowance));
        }
        if newest.owner != owner {
            return Err(CommandError::NotOwner(allowance));
        }
        let (secret, hash) = generate();
        let mut id = [0; 16];
        rand::rng().fill_bytes(&mut id);
        let key = ApiKey {
            id: ApiKeyId(id),
            hash,
            owner,
            allowance,
            label: label.to_owned(),
            created: now,
            revoked: None,
        };
        self.open_account(newest, &key, now).await?;
        self.accounts.apply_chain(&allowance, finalized.as_ref(), processed.as_ref());
        tracing::info!(%owner, %allowance, key = %key.id, "API key made");
        Ok(CommandResult::Created { key, secret })
    }

    /// Stores the key, and the allowance's account when this is its first.
    async fn open_account(
        &self,
        allowance: &Allowance,
        key: &ApiKey,
        now: UnixMillis,
    ) -> Result<(), CommandError> {
        let mut handle = [0; 12];
        rand::rng().fill_bytes(&mut handle);
        let new = NewAccount {
            handle: AccountHandle(handle),
            allowance: allowance.id,
            escrow: allowance.escrow,
            owner: allowance.owner,
            created: now,
            debited: allowance.debited,
        };
        let key = key.clone();
        let account = self
            .store
            .write(move |state| {
                let active = state.api_keys_of(&key.owner)?;
                let active = active.iter().filter(|key| key.revoked.is_none()).count();
                if active >= MAX_KEYS_PER_OWNER {
                    return Err(CommandError::TooManyKeys);
                }
                let account = state.open_account(&new)?;
                state.insert_api_key(&key)?;
                Ok(account)
            })
            .await?;
        self.accounts.open(&account);
        Ok(())
    }

    async fn revoke(
        &self,
        owner: PublicKey,
        key: ApiKeyId,
        now: UnixMillis,
    ) -> Result<CommandResult, CommandError> {
        let revoked: Result<bool, StoreError> =
            self.store.write(move |state| state.revoke_api_key(&key, &owner, now)).await;
        if !revoked? {
            return Err(CommandError::NoKey(key));
        }
        self.keys.revoked(key);
        tracing::info!(%owner, %key, "API key revoked");
        Ok(CommandResult::Revoked(key))
    }
}
