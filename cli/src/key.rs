//! `pinaivu key`: API keys, managed by the wallet that owns the money.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Subcommand;
use pinaivu_chain::{AllowanceFilter, Chain, Commitment, Keypair, UnixSeconds};
use pinaivu_protocol::ids::AllowanceId;
use pinaivu_protocol::key_command::{KeyAction, KeyCommand as SignedCommand};
use pinaivu_protocol::signed::SigningKey;
use pinaivu_protocol::units::UnixMillis;
use serde::{Deserialize, Serialize};

use crate::context::ContextArgs;
use crate::network::{Network, public, read_json, read_keypair, unreachable};
use crate::output::{Failure, Printer};

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key. It is shown once and spends from an allowance of the wallet.
    Create {
        /// For your own use, for example the application's name.
        #[arg(long, default_value = "")]
        label: String,
        /// The allowance to spend from; needed only when the wallet has several.
        #[arg(long)]
        allowance: Option<AllowanceId>,
    },
    /// List the wallet's keys, without their secrets.
    List,
    /// End a key at once.
    Revoke {
        /// As `key list` shows it.
        id: String,
    },
}

/// A key as the coordinator shows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct KeyView {
    /// Names the key in `revoke`.
    pub id: String,
    /// The secret; only at creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The person's own text.
    #[serde(default)]
    pub label: String,
    /// What it spends from.
    #[serde(default)]
    pub allowance: Option<AllowanceId>,
    /// When it was made, milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<u64>,
    /// When it was revoked, milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<u64>,
}

#[derive(Deserialize, Serialize)]
struct KeyList {
    keys: Vec<KeyView>,
}

/// Carries out one command.
pub(crate) async fn run(
    printer: &Printer,
    context: &ContextArgs,
    command: KeyCommand,
) -> anyhow::Result<()> {
    let network = Network::open(context).await?;
    let wallet = read_keypair(&context.wallet_path()?)?;
    match command {
        KeyCommand::Create { label, allowance } => {
            let allowance = match allowance {
                Some(allowance) => allowance,
                None => only_allowance(&network, &wallet).await?,
            };
            let key = create(&network, &wallet, allowance, &label).await?;
            let secret = key.key.clone().unwrap_or_default();
            printer.result(
                &key,
                format_args!("{secret}\n\nShown once. It spends from allowance {allowance}."),
            );
        }
        KeyCommand::List => {
            let list: KeyList = send(&network, &wallet, KeyAction::List).await?;
            let lines: Vec<String> = list.keys.iter().map(line).collect();
            let text = if lines.is_empty() { "no keys".to_owned() } else { lines.join("\n") };
            printer.result(&list, text);
        }
        KeyCommand::Revoke { id } => {
            let mut key = [0; 16];
            hex::decode_to_slice(id.trim_start_matches("key_"), &mut key).map_err(|_| {
                Failure::failed(format!("{id} is not a key's id"), "`pinaivu key list` shows them")
            })?;
            let revoked: serde_json::Value =
                send(&network, &wallet, KeyAction::Revoke { key }).await?;
            printer.result(&revoked, format_args!("{id} is revoked"));
        }
    }
    Ok(())
}

/// Makes a key that spends from `allowance`.
pub(crate) async fn create(
    network: &Network,
    wallet: &Keypair,
    allowance: AllowanceId,
    label: &str,
) -> anyhow::Result<KeyView> {
    send(network, wallet, KeyAction::Create { allowance, label: label.to_owned() }).await
}

async fn send<T: serde::de::DeserializeOwned>(
    network: &Network,
    wallet: &Keypair,
    action: KeyAction,
) -> anyhow::Result<T> {
    let deployment = network.chain.deployment().await?.id();
    let command = SignedCommand {
        deployment,
        coordinator: network.info.coordinator,
        owner: public(wallet),
        issued: now()?,
        nonce: rand::random(),
        action,
    };
    let signer = SigningKey::from_seed(wallet.secret_bytes())?;
    let body = serde_json::json!({"command": STANDARD.encode(signer.sign(command).encode())});
    let url = format!("{}/v1/keys", network.url);
    let sent = network.http.post(&url).json(&body).send().await;
    read_json(&url, sent.map_err(|error| unreachable(&url, &error))?).await
}

async fn only_allowance(network: &Network, wallet: &Keypair) -> anyhow::Result<AllowanceId> {
    let now = network.chain.position(Commitment::Confirmed).await?.time.unix;
    let mut open: Vec<AllowanceId> = network
        .chain
        .allowances(AllowanceFilter::Owner(public(wallet)), Commitment::Confirmed)
        .await?
        .into_iter()
        .filter(|allowance| is_usable(allowance, network, now))
        .map(|allowance| allowance.id)
        .collect();
    match (open.pop(), open.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => Err(Failure::failed(
            "the wallet has no allowance for this coordinator",
            "`pinaivu escrow deposit 5` and `pinaivu escrow allow 5`",
        )
        .into()),
        (Some(_), false) => Err(Failure::failed(
            "the wallet has several allowances for this coordinator",
            "choose one with --allowance; `pinaivu escrow status` lists them",
        )
        .into()),
    }
}

/// Whether an allowance can be spent from now, through this coordinator.
pub(crate) fn is_usable(
    allowance: &pinaivu_chain::Allowance,
    network: &Network,
    now: UnixSeconds,
) -> bool {
    allowance.coordinator == network.info.coordinator && allowance.admissible(now).get() > 0
}

fn line(key: &KeyView) -> String {
    let state = if key.revoked.is_some() { "revoked" } else { "active" };
    let allowance = key.allowance.map_or_else(String::new, |allowance| allowance.to_string());
    format!("{}  {state:7}  {allowance}  {}", key.id, key.label)
}

fn now() -> anyhow::Result<UnixMillis> {
    #[expect(clippy::disallowed_methods, reason = "the command line has no other clock")]
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    Ok(UnixMillis(u64::try_from(since.as_millis())?))
}
