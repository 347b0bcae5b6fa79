//! Which network a command speaks to, and with which wallet.
//!
//! In order: what is given on the command line, the environment, and the network that a running
//! `pinaivu up` left in its data directory.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use pinaivu_protocol::ids::{CoordinatorId, ProgramId};
use serde::Deserialize;

use crate::output::Failure;

/// Where `up` keeps its data unless told otherwise.
pub(crate) fn default_data_dir() -> PathBuf {
    let base = std::env::home_dir().unwrap_or_else(|| PathBuf::from("."));
    base.join(".local/share/pinaivu/local")
}

/// Options every command understands.
#[derive(Debug, Clone, Args)]
pub(crate) struct ContextArgs {
    /// The coordinator, for example http://127.0.0.1:8402.
    #[arg(long, global = true, env = "PINAIVU_URL", value_name = "URL")]
    pub url: Option<String>,
    /// The Solana RPC to read from and write to.
    #[arg(long, global = true, env = "PINAIVU_RPC", value_name = "URL")]
    pub rpc: Option<String>,
    /// Key file of the wallet that signs and pays (Solana's JSON format).
    #[arg(long, global = true, env = "PINAIVU_WALLET", value_name = "FILE")]
    pub wallet: Option<PathBuf>,
    /// The program you trust; a coordinator that names another one is refused [default: the one this
    /// command was built with].
    #[arg(long, global = true, env = "PINAIVU_PROGRAM", value_name = "ADDRESS")]
    pub program: Option<ProgramId>,
    /// The coordinator's account you expect at --url; another one there is refused [default: any of the
    /// program's].
    #[arg(long, global = true, env = "PINAIVU_COORDINATOR", value_name = "ADDRESS")]
    pub coordinator_account: Option<CoordinatorId>,
    /// The ready file of a running `pinaivu up`, from which the three above are taken.
    #[arg(long, global = true, env = "PINAIVU_NETWORK", value_name = "FILE")]
    pub network: Option<PathBuf>,
    /// Print one JSON document instead of text.
    #[arg(long, global = true)]
    pub json: bool,
}

/// What a ready file says that commands need.
#[derive(Debug, Deserialize)]
struct ReadyFile {
    base_url: String,
    rpc_url: String,
    wallet: PathBuf,
}

impl ContextArgs {
    /// The coordinator's address, without a slash at the end.
    pub(crate) fn url(&self) -> anyhow::Result<String> {
        if let Some(url) = &self.url {
            return Ok(url.trim_end_matches('/').trim_end_matches("/v1").to_owned());
        }
        Ok(self.ready()?.base_url.trim_end_matches("/v1").to_owned())
    }

    /// The RPC's address.
    pub(crate) fn rpc(&self) -> anyhow::Result<String> {
        match &self.rpc {
            Some(rpc) => Ok(rpc.clone()),
            None => Ok(self.ready()?.rpc_url),
        }
    }

    /// The program's address.
    pub(crate) fn program(&self) -> ProgramId {
        self.program.unwrap_or(pinaivu_chain::PROGRAM_ID)
    }

    /// The wallet's key file.
    pub(crate) fn wallet_path(&self) -> anyhow::Result<PathBuf> {
        match &self.wallet {
            Some(path) => Ok(path.clone()),
            None => Ok(self.ready()?.wallet),
        }
    }

    fn ready(&self) -> anyhow::Result<ReadyFile> {
        let path = self.network.clone().unwrap_or_else(|| default_data_dir().join("ready.json"));
        read_ready(&path)
    }
}

fn read_ready(path: &Path) -> anyhow::Result<ReadyFile> {
    let text = std::fs::read(path).map_err(|_| {
        Failure::unplaced(
            format!("no network is given and none is running ({} is missing)", path.display()),
            "start one with `pinaivu up`, or give --url, --rpc and --wallet",
        )
    })?;
    serde_json::from_slice(&text).with_context(|| format!("{} is not a ready file", path.display()))
}
