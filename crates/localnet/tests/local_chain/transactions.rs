//! Prepare, submit, status: what a transaction can become, and what nothing being there looks like.

use std::time::Duration;

use pinaivu_chain::{
    Chain as _, ChainError, Commitment, ConfirmOptions, ConfirmProgress, PROGRAM_ID,
    PreparedTransaction, RpcChain, Signer as _, ToAddress as _, TransactionFailure,
    TransactionStatus,
};
use pinaivu_localnet::Localnet;
use pinaivu_protocol::ids::{AllowanceId, MarketId};

use crate::fixture::{SOL, Wallet, fast, patiently, send};

fn pay(from: &Wallet, to: &Wallet, lamports: u64) -> pinaivu_chain::Instruction {
    solana_system_interface::instruction::transfer(
        &from.keypair.pubkey(),
        &to.keypair.pubkey(),
        lamports,
    )
}

async fn status(chain: &RpcChain, prepared: &PreparedTransaction) -> TransactionStatus {
    chain.status(&prepared.signature, prepared.last_valid_block_height).await.unwrap()
}

#[tokio::test]
async fn submitted_twice_lands_once_and_ends_finalized() {
    let localnet = Localnet::start(fast()).await.unwrap();
    let chain = localnet.chain();
    let (alice, bob) = (Wallet::funded(&localnet, 0).await, Wallet::empty());
    let prepared = chain.prepare(&[pay(&alice, &bob, SOL)], &[&alice.keypair]).await.unwrap();
    assert_eq!(status(&chain, &prepared).await, TransactionStatus::Pending);

    chain.submit(&prepared).await.unwrap();
    let _ = chain.submit(&prepared).await;
    let slot = chain.confirm(&prepared, patiently(Commitment::Finalized), &|_| ()).await.unwrap();
    assert_eq!(
        status(&chain, &prepared).await,
        TransactionStatus::Landed { slot, commitment: Commitment::Finalized, result: Ok(()) }
    );
    let balance = chain.lamports(bob.key.to_address(), Commitment::Finalized).await.unwrap();
    assert_eq!(balance, SOL);
    localnet.stop().await;
}

#[tokio::test]
async fn transaction_that_was_never_sent_is_pending_until_its_height_has_passed_and_then_expired() {
    // 150 blocks of 5 ms, and finality behind them.
    let options =
        pinaivu_localnet::LocalnetOptions { slot_time: Duration::from_millis(5), ..fast() };
    let localnet = Localnet::start(options).await.unwrap();
    let chain = localnet.chain();
    let (alice, bob) = (Wallet::funded(&localnet, 0).await, Wallet::empty());
    let prepared = chain.prepare(&[pay(&alice, &bob, SOL)], &[&alice.keypair]).await.unwrap();
    loop {
        let height = chain.position(Commitment::Finalized).await.unwrap().block_height;
        match status(&chain, &prepared).await {
            TransactionStatus::Pending => {}
            TransactionStatus::Expired => break,
            other => panic!("{other:?}"),
        }
        assert!(height <= prepared.last_valid_block_height);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The verdict is final: the bytes can no longer land.
    let refused = chain.submit(&prepared).await.unwrap_err();
    assert!(matches!(refused, ChainError::Transaction(TransactionFailure::Runtime(_))));
    let ended = chain.confirm(&prepared, patiently(Commitment::Confirmed), &|_| ()).await;
    assert!(matches!(
        ended,
        Err(ChainError::Expired { signature }) if signature == prepared.signature
    ));
    assert_eq!(chain.lamports(bob.key.to_address(), Commitment::Processed).await.unwrap(), 0);
    localnet.stop().await;
}

#[tokio::test]
async fn refused_transfer_says_so_before_it_is_sent() {
    let localnet = Localnet::start(fast()).await.unwrap();
    let chain = localnet.chain();
    let (alice, bob) = (Wallet::funded(&localnet, 0).await, Wallet::empty());
    let refused = send(&chain, &[pay(&alice, &bob, 100 * SOL)], &[&alice.keypair]).await;
    // 1 is the system program's `ResultWithNegativeLamports`.
    assert!(matches!(
        refused,
        Err(ChainError::Transaction(TransactionFailure::Custom { instruction: 0, code: 1 }))
    ));
    localnet.stop().await;
}

#[tokio::test]
async fn missing_key_is_a_signing_error() {
    let localnet = Localnet::start(fast()).await.unwrap();
    let (alice, bob) = (Wallet::empty(), Wallet::empty());
    let refused = localnet.chain().prepare(&[pay(&alice, &bob, 1)], &[&bob.keypair]).await;
    assert!(matches!(refused, Err(ChainError::Signing(_))));
    localnet.stop().await;
}

#[tokio::test]
async fn absent_accounts_are_none_and_in_the_order_asked_for() {
    let localnet = Localnet::start(fast()).await.unwrap();
    let chain = localnet.chain();
    let at = Commitment::Confirmed;
    assert_eq!(chain.market(MarketId([9; 32]), at).await.unwrap(), None);
    let ids = vec![AllowanceId([8; 32]); 150];
    assert_eq!(chain.allowances_by_id(&ids, at).await.unwrap(), vec![None; 150]);
    localnet.stop().await;
}

#[tokio::test]
async fn account_of_another_program_is_not_taken_for_ours() {
    let localnet = Localnet::start(fast()).await.unwrap();
    let chain = localnet.chain();
    let mint = localnet.ready().mint;
    let refused = chain.market(MarketId(mint.0), Commitment::Confirmed).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("{mint} is not a valid market account: it belongs to another program")
    );
    localnet.stop().await;
}

#[tokio::test]
async fn unreachable_server_is_retryable_and_confirm_reports_that_it_goes_on_trying() {
    let localnet = Localnet::start(fast()).await.unwrap();
    let (alice, bob) = (Wallet::funded(&localnet, 0).await, Wallet::empty());
    let prepared =
        localnet.chain().prepare(&[pay(&alice, &bob, SOL)], &[&alice.keypair]).await.unwrap();
    localnet.stop().await;

    // Bound and not listening: nobody else can take the port, and connections are refused.
    let silent = tokio::net::TcpSocket::new_v4().unwrap();
    silent.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let chain = RpcChain::new(&url, PROGRAM_ID);
    for error in [
        chain.deployment().await.unwrap_err(),
        chain.submit(&prepared).await.unwrap_err(),
        chain.position(Commitment::Processed).await.unwrap_err(),
    ] {
        assert!(error.is_retryable(), "{error:?}");
        assert!(matches!(error, ChainError::Unreachable { url: shown, .. } if shown == url));
    }
    let reports = std::sync::Mutex::new(Vec::new());
    let options = ConfirmOptions { timeout: Duration::ZERO, ..patiently(Commitment::Confirmed) };
    let ended =
        chain.confirm(&prepared, options, &|progress| reports.lock().unwrap().push(progress)).await;
    assert!(matches!(
        ended,
        Err(ChainError::Unconfirmed { signature }) if signature == prepared.signature
    ));
    assert_eq!(*reports.lock().unwrap(), [ConfirmProgress::Retrying, ConfirmProgress::Retrying]);
}
