//! surfpool in this process: a virtual machine filled from genesis or from a ledger, and its block
//! production, RPC and WebSocket threads.
//!
//! Offline: there is no remote server to fall back on, and everything listens on loopback. What surfpool
//! leaves open is filled in here: a genesis hash that stays with the ledger, and blockhashes, heights
//! and clock that go on where they stopped.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::RangeInclusive;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use solana_account::{Account, ReadableAccount as _};
use solana_pubkey::Pubkey;
use surfpool_core::surfnet::BlockIdentifier;
use surfpool_core::surfnet::GeyserEvent;
use surfpool_core::surfnet::locker::SurfnetSvmLocker;
use surfpool_core::surfnet::svm::{SurfnetSvm, SurfnetSvmConfig};
use surfpool_types::{
    BlockProductionMode, RpcConfig, SimnetCommand, SimnetConfig, SimnetEvent, SurfpoolConfig,
};

use crate::clock::unix_millis;
use crate::error::LocalnetError;
use crate::genesis;
use crate::ledger::Saved;
use crate::recorder::Recorder;

/// How long the servers may take to come up.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Where code begins in a program data account of the upgradeable loader.
const CODE_OFFSET: usize = 45;

/// What to build.
pub(crate) struct Blueprint<'a> {
    pub(crate) program: Pubkey,
    pub(crate) code: &'a [u8],
    pub(crate) upgrade_authority: Pubkey,
    pub(crate) genesis_hash: [u8; 32],
    pub(crate) slot_time: Duration,
    pub(crate) saved: Option<&'a Saved>,
}

/// A virtual machine that is not running yet.
pub(crate) struct Machine {
    svm: SurfnetSvm,
    events: Receiver<SimnetEvent>,
    geyser: Receiver<GeyserEvent>,
    slot_millis: u64,
}

/// A running one.
pub(crate) struct Running {
    pub(crate) locker: SurfnetSvmLocker,
    pub(crate) commands: Sender<SimnetCommand>,
    pub(crate) events: Receiver<SimnetEvent>,
    pub(crate) thread: JoinHandle<()>,
}

impl Machine {
    /// Builds a virtual machine from `blueprint`, with a recorder that knows nothing but its bare state.
    pub(crate) fn build(blueprint: &Blueprint<'_>) -> Result<(Self, Recorder), LocalnetError> {
        let slot_millis = u64::try_from(blueprint.slot_time.as_millis()).unwrap_or(u64::MAX).max(1);
        let (mut svm, events, geyser) = SurfnetSvm::new(SurfnetSvmConfig {
            slot_time: slot_millis,
            instruction_profiling_enabled: false,
            max_profiles: 1,
            ..SurfnetSvmConfig::default()
        })
        .map_err(|error| LocalnetError::Start(error.to_string()))?;
        let recorder = Recorder::new(&svm)?;
        svm.cached_genesis_hash = Some(blueprint.genesis_hash.into());
        match blueprint.saved {
            Some(saved) => restore(&mut svm, saved)?,
            None => {
                for (address, account) in genesis::money_accounts() {
                    set(&mut svm, &address, account)?;
                }
            }
        }
        deploy(&mut svm, blueprint)?;
        Ok((Self { svm, events, geyser, slot_millis }, recorder))
    }

    /// The state it will start from.
    pub(crate) const fn state(&self) -> &SurfnetSvm {
        &self.svm
    }

    /// Starts block production and both servers and waits until they answer.
    pub(crate) fn run(self, rpc_port: u16, ws_port: u16) -> Result<Running, LocalnetError> {
        let Self { svm, events, geyser, slot_millis } = self;
        let config = SurfpoolConfig {
            simnets: vec![SimnetConfig {
                offline_mode: true,
                remote_rpc_url: None,
                slot_time: slot_millis,
                block_production_mode: BlockProductionMode::Clock,
                instruction_profiling_enabled: false,
                max_profiles: 1,
                ..SimnetConfig::default()
            }],
            rpc: RpcConfig {
                bind_host: Ipv4Addr::LOCALHOST.to_string(),
                bind_port: rpc_port,
                ws_port,
                ..RpcConfig::default()
            },
            ..SurfpoolConfig::default()
        };
        let locker = SurfnetSvmLocker::new(svm);
        let (commands, received) = crossbeam_channel::unbounded();
        let (ended, end) = crossbeam_channel::bounded(1);
        let thread = {
            let (locker, commands) = (locker.clone(), commands.clone());
            std::thread::Builder::new().name("surfnet".to_owned()).spawn(move || {
                let outcome = produce_blocks(locker, config, commands, received, geyser);
                // Nobody listens any more after a normal end.
                let _ = ended.send(outcome);
            })
        }
        .map_err(LocalnetError::Thread)?;
        wait_until_started(&events, &end)?;
        Ok(Running { locker, commands, events, thread })
    }
}

/// Where free ports are looked for: below those that systems hand out for outgoing connections and for
/// port 0 (from 32768 on Linux, from 49152 elsewhere). One of those could be taken by any connection
/// between this look and the moment the server listens on it.
const OWN_PORTS: RangeInclusive<u16> = 15_000..=31_999;

/// How many of them are tried.
const PORT_ATTEMPTS: usize = 100;

/// Two free ports that nothing listens on right now, `asked` ones where they are not 0.
pub(crate) fn pick_ports(asked: [u16; 2]) -> Result<[u16; 2], LocalnetError> {
    // Both are held while both are picked, so that they differ.
    let held = asked.map(|port| {
        let listener = if port == 0 { bind_any() } else { bind(port) };
        listener
            .and_then(|listener| Ok((listener.local_addr()?.port(), listener)))
            .map_err(|cause| LocalnetError::Listen { port, cause })
    });
    let [rpc, ws] = held;
    Ok([rpc?.0, ws?.0])
}

fn bind(port: u16) -> std::io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
}

fn bind_any() -> std::io::Result<TcpListener> {
    let attempts = std::iter::repeat_with(|| bind(rand::random_range(OWN_PORTS)));
    // When all of them are taken: whatever the system has.
    attempts.take(PORT_ATTEMPTS).find_map(Result::ok).map_or_else(|| bind(0), Ok)
}

fn produce_blocks(
    locker: SurfnetSvmLocker,
    config: SurfpoolConfig,
    commands: Sender<SimnetCommand>,
    received: Receiver<SimnetCommand>,
    geyser: Receiver<GeyserEvent>,
) -> Result<(), String> {
    // Its locks need a runtime with several workers; block production itself stays on this thread.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("surfnet-worker")
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime
        .block_on(surfpool_core::runloops::start_local_surfnet_runloop(
            locker, config, commands, received, geyser,
        ))
        .map_err(|error| error.to_string())
}

fn wait_until_started(
    events: &Receiver<SimnetEvent>,
    end: &Receiver<Result<(), String>>,
) -> Result<(), LocalnetError> {
    let deadline = Instant::now() + START_LIMIT;
    loop {
        crossbeam_channel::select! {
            recv(events) -> event => match event {
                Ok(SimnetEvent::CoreStarted(_)) => return Ok(()),
                Ok(SimnetEvent::Aborted(reason)) => return Err(LocalnetError::Start(reason)),
                Ok(_) => {}
                Err(_) => return Err(LocalnetError::Start("it ended at once".to_owned())),
            },
            recv(end) -> outcome => {
                let reason = match outcome {
                    Ok(Err(reason)) => reason,
                    Ok(Ok(())) | Err(_) => "it ended at once".to_owned(),
                };
                return Err(LocalnetError::Start(reason));
            },
            default(deadline.saturating_duration_since(Instant::now())) => {
                return Err(LocalnetError::Start(format!("not ready within {START_LIMIT:?}")));
            }
        }
    }
}

fn restore(svm: &mut SurfnetSvm, saved: &Saved) -> Result<(), LocalnetError> {
    // Code before the programs that refer to it.
    let (programs, others): (Vec<_>, Vec<_>) =
        saved.accounts.iter().partition(|(_, account)| account.executable);
    for (address, account) in others.into_iter().chain(programs) {
        set(svm, address, account.clone())?;
    }
    for (signature, status) in &saved.transactions {
        svm.transactions.store(signature.clone(), status.clone()).map_err(refused)?;
    }
    for (slot, header) in &saved.blocks {
        svm.blocks.store(*slot, header.clone()).map_err(refused)?;
    }
    svm.transactions_processed = svm.transactions.count().map_err(refused)?;

    let tip = &saved.tip;
    svm.chain_tip = BlockIdentifier::new(tip.index, &tip.hash);
    svm.latest_epoch_info.absolute_slot = tip.slot;
    svm.latest_epoch_info.block_height = tip.index;
    svm.latest_epoch_info.epoch = tip.epoch;
    svm.latest_epoch_info.slot_index = tip.slot_index;
    // The clock goes on from now, and never back. Block times of empty blocks are computed from the
    // first slot, which moves so that the present one has the present time.
    svm.updated_at = unix_millis().max(tip.unix_millis);
    let slots = tip.slot.saturating_sub(svm.genesis_slot);
    svm.genesis_updated_at = svm.updated_at.saturating_sub(slots.saturating_mul(svm.slot_time));
    svm.reconstruct_sysvars();
    Ok(())
}

/// Deploys the program unless its code is there already.
fn deploy(svm: &mut SurfnetSvm, blueprint: &Blueprint<'_>) -> Result<(), LocalnetError> {
    let Blueprint { program, code, upgrade_authority, .. } = blueprint;
    let present = svm
        .inner
        .get_account(&genesis::program_data_address(program))
        .map_err(refused)?
        .is_some_and(|account| account.data().get(CODE_OFFSET..) == Some(*code));
    if present {
        return Ok(());
    }
    let accounts = genesis::program_accounts(program, code, upgrade_authority, |len| {
        svm.inner.minimum_balance_for_rent_exemption(len)
    });
    for (address, account) in accounts {
        set(svm, &address, account)?;
    }
    Ok(())
}

fn set(svm: &mut SurfnetSvm, address: &Pubkey, account: Account) -> Result<(), LocalnetError> {
    svm.set_account(address, account).map_err(refused)
}

fn refused(error: impl std::fmt::Display) -> LocalnetError {
    LocalnetError::Account(error.to_string())
}
