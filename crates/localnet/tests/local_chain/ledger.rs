//! What a ledger keeps across restarts, and what it refuses.

use std::path::Path;

use crate::fixture::{SOL, Wallet, fast, patiently, send};
use pinaivu_chain::{Chain as _, Commitment, Signer as _, ToAddress as _, TransactionStatus};
use pinaivu_localnet::{Localnet, LocalnetError, LocalnetOptions, ProgramSource, default_market};
use pinaivu_protocol::units::Amount;

fn kept(directory: &Path) -> LocalnetOptions {
    LocalnetOptions { ledger: Some(directory.to_owned()), ..fast() }
}

#[tokio::test]
async fn restarted_chain_goes_on_where_it_stopped() {
    let directory = tempfile::tempdir().unwrap();
    let mut localnet = Localnet::start(kept(directory.path())).await.unwrap();
    let genesis = localnet.ready().genesis_hash;
    let wallet = Wallet::funded(&localnet, 7_000_000).await;
    let market = localnet.open_market(&default_market()).await.unwrap();
    let account = localnet.instructions().token_account(&wallet.key);
    let opened = localnet.chain().market(market, Commitment::Confirmed).await.unwrap();
    let before = localnet.chain().position(Commitment::Processed).await.unwrap();
    localnet.stop().await;

    let localnet = Localnet::start(kept(directory.path())).await.unwrap();
    let chain = localnet.chain();
    assert_eq!(localnet.ready().genesis_hash, genesis);
    let at = Commitment::Processed;
    assert_eq!(chain.token_balance(account, at).await.unwrap(), Amount(7_000_000));
    assert_eq!(chain.lamports(wallet.key.to_address(), at).await.unwrap(), 10 * SOL);
    assert_eq!(chain.market(market, at).await.unwrap(), opened);
    let after = chain.position(at).await.unwrap();
    assert!(after.time.slot >= before.time.slot);
    assert!(after.block_height >= before.block_height);
    assert!(after.time.unix >= before.time.unix);

    // It is a chain, not a picture of one.
    let other = Wallet::funded(&localnet, 3).await;
    let account = localnet.instructions().token_account(&other.key);
    assert_eq!(chain.token_balance(account, Commitment::Confirmed).await.unwrap(), Amount(3));
    localnet.stop().await;
}

#[tokio::test]
async fn transaction_that_landed_before_a_restart_is_known_and_cannot_land_again() {
    let directory = tempfile::tempdir().unwrap();
    let localnet = Localnet::start(kept(directory.path())).await.unwrap();
    let chain = localnet.chain();
    let alice = Wallet::funded(&localnet, 0).await;
    let bob = Wallet::empty();
    let pay = solana_system_interface::instruction::transfer(
        &alice.keypair.pubkey(),
        &bob.keypair.pubkey(),
        SOL,
    );
    let prepared = chain.prepare(&[pay], &[&alice.keypair]).await.unwrap();
    let slot = chain.confirm(&prepared, patiently(Commitment::Confirmed), &|_| ()).await.unwrap();
    localnet.stop().await;

    let localnet = Localnet::start(kept(directory.path())).await.unwrap();
    let chain = localnet.chain();
    let status = chain.status(&prepared.signature, prepared.last_valid_block_height).await.unwrap();
    assert!(matches!(
        status,
        TransactionStatus::Landed { slot: landed, result: Ok(()), .. } if landed == slot
    ));
    // The same bytes again: refused or ignored, but not executed.
    let _ = chain.submit(&prepared).await;
    let balance = chain.lamports(bob.key.to_address(), Commitment::Processed).await.unwrap();
    assert_eq!(balance, SOL);
    localnet.stop().await;
}

#[tokio::test]
async fn closed_accounts_stay_closed_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let localnet = Localnet::start(kept(directory.path())).await.unwrap();
    let chain = localnet.chain();
    let (alice, bob) = (Wallet::funded(&localnet, 0).await, Wallet::funded(&localnet, 0).await);
    let all = 10 * SOL;
    // Bob pays the fee, so that nothing is left of Alice.
    let sweep = solana_system_interface::instruction::transfer(
        &alice.keypair.pubkey(),
        &bob.keypair.pubkey(),
        all,
    );
    send(&chain, &[sweep], &[&bob.keypair, &alice.keypair]).await.unwrap();
    localnet.stop().await;

    let localnet = Localnet::start(kept(directory.path())).await.unwrap();
    let at = Commitment::Processed;
    assert_eq!(localnet.chain().lamports(alice.key.to_address(), at).await.unwrap(), 0);
    assert!(localnet.chain().lamports(bob.key.to_address(), at).await.unwrap() > all);
    localnet.stop().await;
}

#[tokio::test]
async fn kept_chain_is_upgraded_when_the_program_differs() {
    let directory = tempfile::tempdir().unwrap();
    Localnet::start(kept(directory.path())).await.unwrap().stop().await;

    // Longer by bytes that no section of the file refers to.
    let artifact =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../programs/pinaivu/artifact/pinaivu.so");
    let mut code = std::fs::read(artifact).unwrap();
    code.extend_from_slice(&[0; 8]);
    let file = directory.path().join("other.so");
    std::fs::write(&file, &code).unwrap();

    let options = LocalnetOptions { program: ProgramSource::File(file), ..kept(directory.path()) };
    let mut localnet = Localnet::start(options).await.unwrap();
    let rpc = solana_rpc_client::nonblocking::rpc_client::RpcClient::new(
        localnet.ready().rpc_url.clone(),
    );
    let program = localnet.ready().program_id.to_address();
    let state = rpc.get_account(&program).await.unwrap();
    let data_address = pinaivu_chain::Pubkey::try_from(&state.data[4..]).unwrap();
    let data = rpc.get_account(&data_address).await.unwrap();
    assert_eq!(data.data[45..], code);
    localnet.open_market(&default_market()).await.unwrap();
    localnet.stop().await;
}

#[tokio::test]
async fn second_process_on_one_ledger_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let localnet = Localnet::start(kept(directory.path())).await.unwrap();
    let refused = Localnet::start(kept(directory.path())).await.unwrap_err();
    assert!(matches!(refused, LocalnetError::LedgerInUse { path } if path == directory.path()));
    localnet.stop().await;
}

#[tokio::test]
async fn file_that_is_no_ledger_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ledger.sqlite");
    std::fs::write(&file, b"not a database, but somebody's diary, long enough to be read").unwrap();
    let refused = Localnet::start(kept(directory.path())).await.unwrap_err();
    assert!(matches!(refused, LocalnetError::Ledger { .. }));
    assert!(std::fs::read(&file).unwrap().starts_with(b"not a database"));
}
