//! Carries out wallet-signed commands about API keys.

use std::fmt;
use std::sync::Arc;

use pinaivu_chain::{Allowance, Chain, ChainError, Commitment};
use pinaivu_protocol::ask::MAX_MODEL_LENGTH;
use pinaivu_protocol::ids::{AllowanceId, CoordinatorId, DeploymentId, PublicKey};
use pinaivu_protocol::key_command::{
    KEY_COMMAND_WINDOW_MILLIS, KeyAction, KeyCommand, MAX_LABEL_LENGTH,
};
use pinaivu_protocol::signed::Signed;
use pinaivu_protocol::units::{FineAmount, UnixMillis};
use rand::RngCore as _;

use super::Accounts;
use super::keys::{ApiKeys, Secret, generate};
use super::sign_in::{Domains, read_sign_in};
use super::signed_text::{KeyRequest, Statement, TextError, read_key_command, verifies};
use crate::clock::SharedClock;
use crate::store::{
    AccountHandle, ApiKey, ApiKeyId, Identity, KeyLimits, NewAccount, Store, StoreError,
};

/// Most models one key may name.
const MAX_MODELS_PER_KEY: usize = 64;

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
    /// Asked for by a page of another domain.
    #[error(
        "the sign-in is for pages of {0:?}, which are not of this coordinator (its operator names them by \
         http.public_url and http.domains)"
    )]
    Domain(String),
    /// The text names its own end, and that is past or too far ahead.
    #[error("the sign-in is over, or lasts longer than five minutes from its issue")]
    Over,
    /// The signature is not the owner's.
    #[error("the signature does not verify under {0}")]
    Signature(PublicKey),
    /// The nonce was used before.
    #[error("the command was carried out before")]
    Replayed,
    /// The label is too long.
    #[error("the label is longer than {MAX_LABEL_LENGTH} bytes")]
    Label,
    /// The text is not a command.
    #[error("{0}")]
    Text(#[from] TextError),
    /// The list of models is too long.
    #[error("a key names at most {MAX_MODELS_PER_KEY} models")]
    Models,
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
        key: Box<ApiKey>,
        /// The secret, to be shown once.
        secret: Secret,
    },
    /// The owner's keys, oldest first.
    Listed(Vec<ApiKey>),
    /// A key was ended.
    Revoked(ApiKeyId),
    /// A key was changed.
    Changed(Box<ApiKey>),
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
    domains: Domains,
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
        identity: Identity,
        store: Store,
        chain: Arc<dyn Chain>,
        accounts: Accounts,
        keys: ApiKeys,
        domains: Domains,
        clock: SharedClock,
    ) -> Self {
        let Identity { deployment, coordinator, .. } = identity;
        Self { deployment, coordinator, store, chain, accounts, keys, domains, clock }
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
        let KeyCommand { deployment, coordinator, owner, issued, nonce, action } = &signed.record;
        let statement = Statement {
            deployment: *deployment,
            coordinator: *coordinator,
            owner: *owner,
            issued: *issued,
            nonce: *nonce,
        };
        let now = self.check(&statement)?;
        signed.verify(owner).map_err(|_| CommandError::Signature(*owner))?;
        self.take_nonce(&statement, now).await?;
        let request = match action {
            KeyAction::Create { allowance, label } => KeyRequest::Create {
                allowance: *allowance,
                label: label.clone(),
                limits: KeyLimits::default(),
            },
            KeyAction::List => KeyRequest::List,
            KeyAction::Revoke { key } => KeyRequest::Revoke(ApiKeyId(*key)),
        };
        self.carry_out(*owner, request, now).await
    }

    /// The same for a command signed as text.
    ///
    /// # Errors
    /// As [`Self::execute`].
    pub async fn execute_text(
        &self,
        text: &str,
        owner: &PublicKey,
        signature: &[u8],
    ) -> Result<CommandResult, CommandError> {
        let (statement, request) = read_key_command(text)?;
        let now = self.check_text(&statement, text, owner, signature).await?;
        self.carry_out(statement.owner, request, now).await
    }

    /// Checks a sign-in; gives who signed in.
    ///
    /// # Errors
    /// As [`Self::execute`].
    pub async fn sign_in(
        &self,
        text: &str,
        owner: &PublicKey,
        signature: &[u8],
    ) -> Result<PublicKey, CommandError> {
        let sign_in = read_sign_in(text)?;
        if !self.domains.allow(&sign_in.domain) {
            return Err(CommandError::Domain(sign_in.domain));
        }
        let statement = sign_in.statement;
        let longest = statement.issued.0.saturating_add(KEY_COMMAND_WINDOW_MILLIS);
        if sign_in.expires <= self.clock.now() || sign_in.expires.0 > longest {
            return Err(CommandError::Over);
        }
        self.check_text(&statement, text, owner, signature).await?;
        Ok(statement.owner)
    }

    async fn check_text(
        &self,
        statement: &Statement,
        text: &str,
        owner: &PublicKey,
        signature: &[u8],
    ) -> Result<UnixMillis, CommandError> {
        let now = self.check(statement)?;
        if statement.owner != *owner || !verifies(owner, text.as_bytes(), signature) {
            return Err(CommandError::Signature(*owner));
        }
        self.take_nonce(statement, now).await?;
        Ok(now)
    }

    /// What can be told without the signature.
    fn check(&self, statement: &Statement) -> Result<UnixMillis, CommandError> {
        let now = self.clock.now();
        if (statement.deployment, statement.coordinator) != (self.deployment, self.coordinator) {
            return Err(CommandError::Party);
        }
        if statement.issued.0.abs_diff(now.0) > KEY_COMMAND_WINDOW_MILLIS {
            return Err(CommandError::Stale);
        }
        Ok(now)
    }

    async fn carry_out(
        &self,
        owner: PublicKey,
        request: KeyRequest,
        now: UnixMillis,
    ) -> Result<CommandResult, CommandError> {
        match request {
            KeyRequest::Create { allowance, label, limits } => {
                self.create(owner, allowance, &label, limits, now).await
            }
            KeyRequest::List => Ok(CommandResult::Listed(self.keys_of(owner).await?)),
            KeyRequest::Revoke(key) => self.revoke(owner, key, now).await,
            KeyRequest::Change { key, label, limits } => {
                self.change(owner, key, label, limits).await
            }
        }
    }

    /// All keys of a wallet, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keys_of(&self, owner: PublicKey) -> Result<Vec<ApiKey>, StoreError> {
        self.store.read(move |look| look.api_keys_of(&owner)).await
    }

    async fn change(
        &self,
        owner: PublicKey,
        key: ApiKeyId,
        label: String,
        limits: KeyLimits,
    ) -> Result<CommandResult, CommandError> {
        check_words(&label, &limits)?;
        let changed: Result<Option<ApiKey>, StoreError> = self
            .store
            .write(move |state| state.change_api_key(&key, &owner, &label, &limits))
            .await;
        let changed = changed?.ok_or(CommandError::NoKey(key))?;
        self.keys.changed(&changed);
        tracing::info!(%owner, %key, "API key changed");
        Ok(CommandResult::Changed(Box::new(changed)))
    }

    async fn take_nonce(&self, statement: &Statement, now: UnixMillis) -> Result<(), CommandError> {
        let (owner, nonce) = (statement.owner, statement.nonce);
        // Until then the command itself is refused as stale.
        let expires = UnixMillis(statement.issued.0.saturating_add(KEY_COMMAND_WINDOW_MILLIS));
        let taken: Result<bool, StoreError> =
            self.store.write(move |state| state.take_nonce(&owner, &nonce, expires, now)).await;
        if taken? { Ok(()) } else { Err(CommandError::Replayed) }
    }

    async fn create(
        &self,
        owner: PublicKey,
        allowance: AllowanceId,
        label: &str,
        limits: KeyLimits,
        now: UnixMillis,
    ) -> Result<CommandResult, CommandError> {
        check_words(label, &limits)?;
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
        let mut handle = [0; 12];
        rand::rng().fill_bytes(&mut handle);
        let key = ApiKey {
            handle: AccountHandle(handle),
            limits,
            revision: 0,
            spent: FineAmount::ZERO,
            requests: 0,
            last_used: None,
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
        Ok(CommandResult::Created { key: Box::new(key), secret })
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

fn check_words(label: &str, limits: &KeyLimits) -> Result<(), CommandError> {
    if label.len() > MAX_LABEL_LENGTH {
        return Err(CommandError::Label);
    }
    let models = limits.models.as_deref().unwrap_or_default();
    if models.len() > MAX_MODELS_PER_KEY || models.iter().any(|name| name.len() > MAX_MODEL_LENGTH)
    {
        return Err(CommandError::Models);
    }
    Ok(())
}
