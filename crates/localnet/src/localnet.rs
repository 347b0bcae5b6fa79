//! A whole local chain as one value: started, used, stopped, dropped.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pinaivu_chain::{
    Chain as _, Commitment, ConfirmOptions, Delay, Instructions, MarketParameters, PROGRAM_ID,
    RpcChain, TOKEN_PROGRAM, ToAddress as _, public_key,
};
use pinaivu_protocol::ids::{ClusterId, MarketId, PublicKey};
use pinaivu_protocol::units::{Amount, Bps};
use solana_signer::Signer as _;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::error::LocalnetError;
use crate::faucet::{self, Faucet};
use crate::keeper::{Book, Keeper};
use crate::keys;
use crate::ledger::Ledger;
use crate::ready::Ready;
use crate::surfnet::{Blueprint, Machine, pick_ports};

/// The program as it was built with this crate.
const EMBEDDED_PROGRAM: &[u8] = include_bytes!("../../../programs/pinaivu/artifact/pinaivu.so");

/// How often ports that the system picked may turn out to be taken.
const PORT_ATTEMPTS: u32 = 5;

/// Which program is deployed.
#[derive(Clone, Debug, Default)]
pub enum ProgramSource {
    /// The one this crate was built with.
    #[default]
    Embedded,
    /// The ELF file at this path.
    File(PathBuf),
}

/// What a local chain is started with.
#[derive(Clone, Debug)]
pub struct LocalnetOptions {
    /// Port of the JSON-RPC server; 0 for any.
    pub rpc_port: u16,
    /// Port of the WebSocket server; 0 for any.
    pub ws_port: u16,
    /// Port of the faucet; 0 for any.
    pub faucet_port: u16,
    /// How long a slot takes.
    pub slot_time: Duration,
    /// The program.
    pub program: ProgramSource,
    /// Its upgrade authority, who may open markets; the local chain's own when there is none. Counts
    /// only where the program is deployed anew.
    pub upgrade_authority: Option<PublicKey>,
    /// Where to keep the state across restarts; nothing is kept without.
    pub ledger: Option<PathBuf>,
}

impl Default for LocalnetOptions {
    fn default() -> Self {
        Self {
            rpc_port: 0,
            ws_port: 0,
            faucet_port: 0,
            slot_time: Duration::from_millis(400),
            program: ProgramSource::Embedded,
            upgrade_authority: None,
            ledger: None,
        }
    }
}

/// What a market is opened with when nobody says otherwise: the delays of production, small minima.
#[must_use]
pub const fn default_market() -> MarketParameters {
    MarketParameters {
        fee_cap: Bps(1_000),
        exit_delay: Delay { slots: 2_250, seconds: 900 },
        unbond_delay: Delay { slots: 2_250, seconds: 900 },
        liveness: Delay { slots: 750, seconds: 300 },
        guarantee_delay: Delay { slots: 1_500, seconds: 600 },
        governance_delay: Delay { slots: 2_250, seconds: 900 },
        min_stake: Amount(10_000_000),
        min_bond: Amount(10_000_000),
    }
}

/// A running local chain. It ends when this is dropped.
pub struct Localnet {
    ready: Ready,
    chain: Arc<RpcChain>,
    faucet: Arc<Faucet>,
    faucet_task: Option<JoinHandle<()>>,
    faucet_stop: CancellationToken,
    keeper: Keeper,
}

impl std::fmt::Debug for Localnet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Localnet").field("ready", &self.ready).finish_non_exhaustive()
    }
}

impl Localnet {
    /// Starts a chain and waits until RPC, WebSocket and faucet answer.
    ///
    /// # Errors
    /// [`LocalnetError`], with nothing left running.
    pub async fn start(options: LocalnetOptions) -> Result<Self, LocalnetError> {
        let started = tokio::task::spawn_blocking({
            let options = options.clone();
            move || start_chain(&options)
        });
        // A panic in there is ours; it goes on here.
        let Started { keeper, rpc_port, ws_port, genesis_hash } = match started.await {
            Ok(started) => started?,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => return Err(LocalnetError::Start(error.to_string())),
            },
        };
        let rpc_url = format!("http://127.0.0.1:{rpc_port}");
        let chain = Arc::new(RpcChain::new(&rpc_url, PROGRAM_ID));
        let faucet = Arc::new(Faucet::new(Arc::clone(&chain)));
        let (listener, address) = faucet::listen(options.faucet_port).await?;
        let ready = Ready {
            rpc_url,
            ws_url: format!("ws://127.0.0.1:{ws_port}"),
            faucet_url: format!("http://{address}/faucet"),
            program_id: PROGRAM_ID,
            mint: public_key(&keys::mint().pubkey()),
            genesis_hash: ClusterId(genesis_hash),
            market: None,
            pid: std::process::id(),
        };
        let faucet_stop = CancellationToken::new();
        let served =
            faucet::serve(listener, Arc::clone(&faucet), ready.clone(), faucet_stop.clone());
        #[expect(clippy::disallowed_methods, reason = "ended and awaited by stop, aborted by drop")]
        let faucet_task = Some(tokio::spawn(served));
        Ok(Self { ready, chain, faucet, faucet_task, faucet_stop, keeper })
    }

    /// Where everything is.
    #[must_use]
    pub const fn ready(&self) -> &Ready {
        &self.ready
    }

    /// A connection to it.
    #[must_use]
    pub fn chain(&self) -> Arc<RpcChain> {
        Arc::clone(&self.chain)
    }

    /// Gives away money.
    #[must_use]
    pub fn faucet(&self) -> &Faucet {
        &self.faucet
    }

    /// Builds instructions for the test USDC's market, which [`Self::open_market`] opens.
    #[must_use]
    pub fn instructions(&self) -> Instructions {
        let deployment = pinaivu_chain::Deployment {
            cluster: self.ready.genesis_hash,
            program: self.ready.program_id,
        };
        Instructions::for_mint(&deployment, self.ready.mint.to_address(), TOKEN_PROGRAM)
    }

    /// Opens the test USDC's market under the local chain's own authority, unless it is open already.
    ///
    /// # Errors
    /// [`LocalnetError::Chain`]; among others when the upgrade authority is not the local chain's own.
    pub async fn open_market(
        &mut self,
        parameters: &MarketParameters,
    ) -> Result<MarketId, LocalnetError> {
        let instructions = self.instructions();
        let market = instructions.market();
        if self.chain.market(market, Commitment::Processed).await?.is_none() {
            let authority = keys::authority();
            let key = public_key(&authority.pubkey());
            let open = instructions.market_initialize(&key, &key, parameters);
            let prepared = self.chain.prepare(&[open], &[&authority]).await?;
            let options =
                ConfirmOptions { poll: Duration::from_millis(20), ..ConfirmOptions::default() };
            self.chain.confirm(&prepared, options, &|_| ()).await?;
        }
        self.ready.market = Some(market);
        Ok(market)
    }

    /// Resolves when the chain has ended on its own.
    pub async fn ended(&self) {
        self.keeper.ended().cancelled().await;
    }

    /// Stops everything and waits until the ports are free and the ledger is written.
    pub async fn stop(mut self) {
        self.faucet_stop.cancel();
        if let Some(task) = self.faucet_task.take() {
            let _ = task.await;
        }
        // Dropping it blocks for a moment, which a runtime's worker should not.
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }
}

impl Drop for Localnet {
    fn drop(&mut self) {
        if let Some(task) = self.faucet_task.take() {
            task.abort();
        }
        self.keeper.stop();
    }
}

struct Started {
    keeper: Keeper,
    rpc_port: u16,
    ws_port: u16,
    genesis_hash: [u8; 32],
}

fn start_chain(options: &LocalnetOptions) -> Result<Started, LocalnetError> {
    let code = read_program(&options.program)?;
    let mut ledger = options.ledger.as_deref().map(Ledger::open).transpose()?;
    let saved = ledger.as_ref().map(Ledger::load).transpose()?.flatten();
    let genesis_hash = saved.as_ref().map_or_else(rand::random, |saved| saved.genesis_hash);
    let blueprint = Blueprint {
        program: PROGRAM_ID.to_address(),
        code: &code,
        upgrade_authority: options
            .upgrade_authority
            .map_or_else(|| keys::authority().pubkey(), |key| key.to_address()),
        genesis_hash,
        slot_time: options.slot_time,
        saved: saved.as_ref(),
    };
    let mut attempt = 1;
    loop {
        let (machine, mut recorder) = Machine::build(&blueprint)?;
        // What genesis or an upgrade has changed is saved before anybody can see it.
        let changes = recorder.changes(machine.state())?;
        if let Some(ledger) = &mut ledger {
            ledger.save(&genesis_hash, &changes)?;
        }
        recorder.remember(changes);
        let [rpc_port, ws_port] = pick_ports([options.rpc_port, options.ws_port])?;
        match machine.run(rpc_port, ws_port) {
            Ok(running) => {
                let book = ledger.map(|ledger| Book { ledger, genesis_hash });
                let keeper = Keeper::start(running, recorder, book, options.slot_time)?;
                return Ok(Started { keeper, rpc_port, ws_port, genesis_hash });
            }
            // Between being picked and being bound a port can be lost to somebody else.
            Err(LocalnetError::Start(reason))
                if attempt < PORT_ATTEMPTS && options.rpc_port == 0 && options.ws_port == 0 =>
            {
                tracing::debug!(reason, attempt, "starting again on other ports");
                attempt += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

fn read_program(source: &ProgramSource) -> Result<Vec<u8>, LocalnetError> {
    match source {
        ProgramSource::Embedded => Ok(EMBEDDED_PROGRAM.to_vec()),
        ProgramSource::File(path) => read(path),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, LocalnetError> {
    std::fs::read(path).map_err(|cause| LocalnetError::Program { path: path.to_owned(), cause })
}
