//! The binary, as scripts and other processes run it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::fixture::{SOL, Wallet, patiently};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pinaivu_chain::{Chain as _, Commitment, Keypair, RpcChain, Signer as _, ToAddress as _};
use pinaivu_localnet::{Ready, keys};
use tokio::process::{Child, Command};

fn command(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pinaivu-localnet"));
    command
        .args(["--rpc-port", "0", "--slot-ms", "20", "--stdin-guard", "--ready-file"])
        .arg(directory.join("ready.json"))
        .stdin(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Waits for the ready file, or for the process to end without one.
async fn ready(directory: &Path, child: &mut Child) -> Ready {
    let path = directory.join("ready.json");
    loop {
        if let Ok(bytes) = std::fs::read(&path) {
            return serde_json::from_slice(&bytes).unwrap();
        }
        assert_eq!(child.try_wait().unwrap(), None, "ended before it was ready");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn send_signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(child.id().unwrap().cast_signed());
    kill(pid, signal).unwrap();
}

async fn pay(chain: &RpcChain, to: &Wallet, lamports: u64, until: Commitment) {
    let faucet: Keypair = keys::faucet();
    let pay = solana_system_interface::instruction::transfer(
        &faucet.pubkey(),
        &to.keypair.pubkey(),
        lamports,
    );
    let prepared = chain.prepare(&[pay], &[&faucet]).await.unwrap();
    chain.confirm(&prepared, patiently(until), &|_| ()).await.unwrap();
}

#[tokio::test]
async fn ready_file_names_a_chain_that_answers_with_an_open_market() {
    let directory = tempfile::tempdir().unwrap();
    let mut child =
        command(directory.path()).args(["--open-market", "--min-stake", "5"]).spawn().unwrap();
    let ready = ready(directory.path(), &mut child).await;
    assert_eq!(Some(ready.pid), child.id());
    let chain = RpcChain::new(&ready.rpc_url, ready.program_id);
    let market = chain.market(ready.market.unwrap(), Commitment::Confirmed).await.unwrap().unwrap();
    assert_eq!(market.min_stake.0, 5);
    assert_eq!(market.cluster, ready.genesis_hash);
    let about: Ready = reqwest::get(ready.faucet_url.trim_end_matches("faucet"))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(about.rpc_url, ready.rpc_url);
}

#[tokio::test]
async fn closed_standard_input_stops_it_cleanly() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = command(directory.path()).spawn().unwrap();
    ready(directory.path(), &mut child).await;
    drop(child.stdin.take());
    assert!(child.wait().await.unwrap().success());
    assert!(!directory.path().join("ready.json").exists());
}

#[tokio::test]
async fn interrupt_and_terminate_stop_it_cleanly() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let directory = tempfile::tempdir().unwrap();
        let mut child = command(directory.path()).spawn().unwrap();
        ready(directory.path(), &mut child).await;
        send_signal(&child, signal);
        assert!(child.wait().await.unwrap().success(), "{signal}");
    }
}

#[tokio::test]
async fn killed_process_loses_nothing_that_was_finalized() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = directory.path().join("chain");
    let kept = || {
        let mut command = command(directory.path());
        command.arg("--ledger").arg(&ledger);
        command
    };
    let mut child = kept().spawn().unwrap();
    let first = ready(directory.path(), &mut child).await;
    let wallet = Wallet::empty();
    let chain = RpcChain::new(&first.rpc_url, first.program_id);
    pay(&chain, &wallet, SOL, Commitment::Finalized).await;
    send_signal(&child, Signal::SIGKILL);
    child.wait().await.unwrap();
    std::fs::remove_file(directory.path().join("ready.json")).unwrap();

    let mut child = kept().spawn().unwrap();
    let second = ready(directory.path(), &mut child).await;
    assert_eq!(second.genesis_hash, first.genesis_hash);
    let chain = RpcChain::new(&second.rpc_url, second.program_id);
    let balance = chain.lamports(wallet.key.to_address(), Commitment::Processed).await.unwrap();
    assert_eq!(balance, SOL);
    pay(&chain, &wallet, SOL, Commitment::Confirmed).await;
    let balance = chain.lamports(wallet.key.to_address(), Commitment::Processed).await.unwrap();
    assert_eq!(balance, 2 * SOL);
}

#[tokio::test]
async fn missing_program_file_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing.so");
    let output = command(directory.path())
        .arg("--program")
        .arg(&missing)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
        .wait_with_output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains(&missing.display().to_string()), "{stderr}");
}
