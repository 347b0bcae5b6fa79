//! What others need to know of a running local chain, and the file that tells them.

use std::path::Path;

use pinaivu_protocol::ids::{ClusterId, MarketId, ProgramId, PublicKey};
use serde::{Deserialize, Serialize};

use crate::error::LocalnetError;

/// Where everything is. Written as JSON once all of it answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// JSON-RPC.
    pub rpc_url: String,
    /// JSON-RPC over WebSocket.
    pub ws_url: String,
    /// Where to `POST {"address", "sol", "usdc"}`.
    pub faucet_url: String,
    /// The program.
    pub program_id: ProgramId,
    /// The test USDC.
    pub mint: PublicKey,
    /// The cluster's genesis hash in base58.
    pub genesis_hash: ClusterId,
    /// The market of the test USDC, when one was opened at the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub market: Option<MarketId>,
    /// The process.
    pub pid: u32,
}

impl Ready {
    /// Writes the file so that a reader sees all of it or nothing.
    ///
    /// # Errors
    /// [`LocalnetError::ReadyFile`].
    pub fn write(&self, path: &Path) -> Result<(), LocalnetError> {
        let failed = |cause| LocalnetError::ReadyFile { path: path.to_owned(), cause };
        let json = serde_json::to_vec_pretty(self).map_err(|error| failed(error.into()))?;
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory).map_err(failed)?;
        }
        std::fs::write(&partial, json).map_err(failed)?;
        std::fs::rename(&partial, path).map_err(failed)
    }
}
