//! The program through `pinaivu-chain`: every builder and every read, on a chain.

use std::sync::Arc;

use pinaivu_chain::settlement::{credit_transactions, debit_transactions, log_transaction};
use pinaivu_chain::transaction::opening_slot;
use pinaivu_chain::{
    Allowance, AllowanceFilter, Chain as _, ChainError, Commitment, CoordinatorChanges,
    CoordinatorFilter, CoordinatorProfile, EscrowFilter, Instruction, Instructions, Keypair,
    LogExtension, NodeFilter, NodeStatus, PayoutFilter, PinaivuError, RpcChain, UnixSeconds,
};
use pinaivu_localnet::{Localnet, keys};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{AllowanceId, CoordinatorId, EscrowId, NodeId};
use pinaivu_protocol::merkle::{self, MemoryTree};
use pinaivu_protocol::units::{Amount, Bps, Slot};

use crate::fixture::{SHORT_DELAYS, Wallet, fast, send};

const AT: Commitment = Commitment::Confirmed;

/// A market with a bonded coordinator, a staked node, and an owner who has deposited and reserved.
struct Stage {
    localnet: Localnet,
    chain: Arc<RpcChain>,
    instructions: Instructions,
    authority: Wallet,
    signer: Wallet,
    coordinator: CoordinatorId,
    operator: Wallet,
    hot: Wallet,
    node: NodeId,
    owner: Wallet,
    escrow: EscrowId,
    allowance: AllowanceId,
    expiry: UnixSeconds,
}

impl Stage {
    async fn open() -> Self {
        let mut localnet = Localnet::start(fast()).await.unwrap();
        localnet.open_market(&SHORT_DELAYS).await.unwrap();
        let chain = localnet.chain();
        let instructions = localnet.instructions();
        let (authority, signer, operator, owner) = tokio::join!(
            Wallet::funded(&localnet, 10_000_000),
            Wallet::funded(&localnet, 0),
            Wallet::funded(&localnet, 10_000_000),
            Wallet::funded(&localnet, 10_000_000),
        );
        let now = chain.position(AT).await.unwrap();
        let slot = opening_slot(now.time.slot);
        let expiry = UnixSeconds(now.time.unix.0 + 3_600);

        let profile = CoordinatorProfile {
            endpoint: "tunnel.example:4433".to_owned(),
            fee: Bps(500),
            measurement: Hash32::ZERO,
        };
        let (coordinator, register) =
            instructions.coordinator_register(&authority.key, &signer.key, slot, &profile);
        let bond = instructions.coordinator_bond(
            &coordinator,
            &authority.key,
            Amount(3_000_000),
            Amount(2_000_000),
        );
        send(&chain, &[register, bond], &[&authority.keypair, &signer.keypair]).await.unwrap();

        let hot = Wallet::empty();
        let (node, register) =
            instructions.node_register(&operator.key, &hot.key, &operator.key, slot);
        let stake = instructions.node_stake(&node, &operator.key, Amount(1_500_000));
        let payout = instructions.payout_open(&coordinator, &node, &operator.key);
        send(&chain, &[register, stake, payout], &[&operator.keypair, &hot.keypair]).await.unwrap();

        let (escrow, open) = instructions.escrow_open(&owner.key, slot);
        let deposit = instructions.escrow_deposit(&escrow, &owner.key, Amount(8_000_000));
        let (allowance, allow) = instructions.allowance_open(
            &escrow,
            &owner.key,
            &coordinator,
            slot,
            Amount(5_000_000),
            expiry,
        );
        send(&chain, &[open, deposit, allow], &[&owner.keypair]).await.unwrap();
        Self {
            localnet,
            chain,
            instructions,
            authority,
            signer,
            coordinator,
            operator,
            hot,
            node,
            owner,
            escrow,
            allowance,
            expiry,
        }
    }

    async fn send(&self, instructions: &[Instruction], signers: &[&Keypair]) -> Slot {
        send(&self.chain, instructions, signers).await.unwrap()
    }

    async fn refused(&self, instruction: Instruction, signers: &[&Keypair]) -> PinaivuErrorName {
        match send(&self.chain, &[instruction], signers).await {
            Err(error) => error.program_error().unwrap().name,
            Ok(slot) => panic!("landed in {slot}"),
        }
    }

    async fn allowance(&self) -> Allowance {
        self.chain.allowance(self.allowance, AT).await.unwrap().unwrap()
    }

    async fn balance(&self, owner: &Wallet) -> Amount {
        let account = self.instructions.token_account(&owner.key);
        self.chain.token_balance(account, AT).await.unwrap()
    }

    /// Debits and credits in the transactions a coordinator would send.
    async fn settle(&self, debit: u64, credit: u64, fees: u64) {
        let debits = debit_transactions(
            &self.instructions,
            &self.coordinator,
            &self.signer.key,
            &[(self.allowance, Amount(debit))],
            1,
        );
        let credits = credit_transactions(
            &self.instructions,
            &self.coordinator,
            &self.signer.key,
            &[(self.node, Amount(credit))],
            Amount(fees),
            1,
        );
        for part in debits.iter().chain(&credits) {
            self.send(part, &[&self.signer.keypair]).await;
        }
    }

    /// Waits until the chain's clock and slot have both passed the market's short delays.
    async fn wait_for_delay(&self) {
        let start = self.chain.position(Commitment::Processed).await.unwrap().time;
        loop {
            let now = self.chain.position(Commitment::Processed).await.unwrap().time;
            if SHORT_DELAYS.exit_delay.has_passed(start, now) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

type PinaivuErrorName = &'static str;

#[tokio::test]
async fn accounts_are_read_back_as_they_were_opened() {
    let stage = Stage::open().await;
    let Stage { chain, instructions, .. } = &stage;
    let market = chain.market(instructions.market(), AT).await.unwrap().unwrap();
    assert_eq!(market.exit_delay, SHORT_DELAYS.exit_delay);
    assert_eq!(market.unbond_delay, SHORT_DELAYS.unbond_delay);
    assert_eq!((market.fee_cap, market.min_stake), (SHORT_DELAYS.fee_cap, SHORT_DELAYS.min_stake));
    assert_eq!(market.min_bond, SHORT_DELAYS.min_bond);
    assert_eq!(market.cluster, stage.localnet.ready().genesis_hash);
    assert!(!market.paused);
    assert_eq!(Instructions::new(stage.localnet.ready().program_id, &market), *instructions);

    let ledger = chain.ledger(market.id, AT).await.unwrap().unwrap();
    assert_eq!(ledger.escrow_liabilities, Amount(8_000_000));
    assert_eq!(ledger.stake_liabilities, Amount(1_500_000));
    assert_eq!(ledger.bond_liabilities, Amount(5_000_000));

    let coordinator = chain.coordinator(stage.coordinator, AT).await.unwrap().unwrap();
    assert_eq!(coordinator.endpoint, "tunnel.example:4433");
    assert_eq!(
        (coordinator.authority, coordinator.signer),
        (stage.authority.key, stage.signer.key)
    );
    assert_eq!(
        (coordinator.guarantee_bond, coordinator.penalty_bond),
        (Amount(3_000_000), Amount(2_000_000))
    );
    assert_eq!((coordinator.fee, coordinator.measurement), (Bps(500), Hash32::ZERO));
    assert_eq!(coordinator.log.size, 0);

    let node = chain.node(stage.node, AT).await.unwrap().unwrap();
    assert_eq!((node.stake, node.status), (Amount(1_500_000), NodeStatus::Active));
    assert_eq!((node.operator, node.payout_owner), (stage.operator.key, stage.operator.key));

    let escrow = chain.escrow(stage.escrow, AT).await.unwrap().unwrap();
    assert_eq!((escrow.free, escrow.open_allowances), (Amount(3_000_000), 1));

    let allowance = stage.allowance().await;
    assert_eq!((allowance.reserved, allowance.expiry), (Amount(5_000_000), stage.expiry));
    assert_eq!(
        chain.allowances_by_id(&[AllowanceId([7; 32]), stage.allowance], AT).await.unwrap(),
        [None, Some(allowance)]
    );
    stage.localnet.stop().await;
}

#[tokio::test]
async fn lists_contain_exactly_what_matches() {
    let stage = Stage::open().await;
    let Stage { chain, instructions, .. } = &stage;
    let market = instructions.market();
    // A second node and a second allowance for the filters to leave out or to find.
    let slot = opening_slot(chain.position(AT).await.unwrap().time.slot);
    let (other_operator, hot) = (Wallet::funded(&stage.localnet, 0).await, Wallet::empty());
    let (other, register) =
        instructions.node_register(&other_operator.key, &hot.key, &other_operator.key, slot);
    stage.send(&[register], &[&other_operator.keypair, &hot.keypair]).await;

    let ids = |nodes: Vec<pinaivu_chain::Node>| {
        let mut ids: Vec<NodeId> = nodes.into_iter().map(|node| node.id).collect();
        ids.sort();
        ids
    };
    let mut both = vec![stage.node, other];
    both.sort();
    assert_eq!(ids(chain.nodes(NodeFilter::Market(market), AT).await.unwrap()), both);
    let of_operator = chain.nodes(NodeFilter::Operator(stage.operator.key), AT).await.unwrap();
    assert_eq!(ids(of_operator), [stage.node]);
    let of_signer = chain.nodes(NodeFilter::Signer(hot.key), AT).await.unwrap();
    assert_eq!(ids(of_signer), [other]);

    let allowance = stage.allowance().await;
    for filter in [
        AllowanceFilter::Coordinator(stage.coordinator),
        AllowanceFilter::Escrow(stage.escrow),
        AllowanceFilter::Owner(stage.owner.key),
    ] {
        assert_eq!(chain.allowances(filter, AT).await.unwrap(), std::slice::from_ref(&allowance));
    }
    let none = AllowanceFilter::Owner(stage.operator.key);
    assert_eq!(chain.allowances(none, AT).await.unwrap(), []);

    let escrow = chain.escrow(stage.escrow, AT).await.unwrap().unwrap();
    for filter in [EscrowFilter::Market(market), EscrowFilter::Owner(stage.owner.key)] {
        assert_eq!(chain.escrows(filter, AT).await.unwrap(), std::slice::from_ref(&escrow));
    }
    let coordinator = chain.coordinator(stage.coordinator, AT).await.unwrap().unwrap();
    for filter in
        [CoordinatorFilter::Market(market), CoordinatorFilter::Authority(stage.authority.key)]
    {
        assert_eq!(
            chain.coordinators(filter, AT).await.unwrap(),
            std::slice::from_ref(&coordinator)
        );
    }
    let payout = chain.payout(stage.coordinator, stage.node, AT).await.unwrap().unwrap();
    for filter in [PayoutFilter::Coordinator(stage.coordinator), PayoutFilter::Node(stage.node)] {
        assert_eq!(chain.payouts(filter, AT).await.unwrap(), std::slice::from_ref(&payout));
    }
    stage.localnet.stop().await;
}

#[tokio::test]
async fn settlement_moves_what_was_debited_to_node_and_coordinator_once() {
    let stage = Stage::open().await;
    let Stage { chain, instructions, .. } = &stage;
    stage.settle(1_000_000, 950_000, 50_000).await;
    // The same again, as after a lost answer.
    stage.settle(1_000_000, 950_000, 50_000).await;

    assert_eq!(stage.allowance().await.debited, Amount(1_000_000));
    let payout = chain.payout(stage.coordinator, stage.node, AT).await.unwrap().unwrap();
    assert_eq!(payout.claimable(), Amount(950_000));

    let before = stage.balance(&stage.operator).await;
    // Anybody may crank it; here the coordinator's hot key pays the fee.
    let claim = instructions.claim(&stage.coordinator, &stage.node, &stage.operator.key);
    stage.send(std::slice::from_ref(&claim), &[&stage.signer.keypair]).await;
    assert_eq!(stage.balance(&stage.operator).await, Amount(before.0 + 950_000));
    assert_eq!(stage.refused(claim, &[&stage.operator.keypair]).await, "NothingToClaim");

    let before = stage.balance(&stage.authority).await;
    let fees = instructions.fee_claim(&stage.coordinator, &stage.authority.key);
    stage.send(&[fees], &[&stage.signer.keypair]).await;
    assert_eq!(stage.balance(&stage.authority).await, Amount(before.0 + 50_000));

    let coordinator = chain.coordinator(stage.coordinator, AT).await.unwrap().unwrap();
    assert_eq!(
        [coordinator.debited, coordinator.credited, coordinator.fees, coordinator.fees_paid],
        [Amount(1_000_000), Amount(950_000), Amount(50_000), Amount(50_000)]
    );
    let ledger = chain.ledger(instructions.market(), AT).await.unwrap().unwrap();
    assert_eq!(ledger.escrow_liabilities, Amount(7_000_000));
    stage.localnet.stop().await;
}

#[tokio::test]
async fn log_is_extended_and_its_closed_epoch_can_be_read() {
    let stage = Stage::open().await;
    let Stage { chain, instructions, .. } = &stage;
    let mut tree = MemoryTree::new();
    for leaf in 0..16_383_u16 {
        tree.push(merkle::leaf_hash(&leaf.to_le_bytes())).unwrap();
    }
    let epoch = chain.coordinator(stage.coordinator, AT).await.unwrap().unwrap().log.epoch;
    // The second step is among the longest that one transaction may be asked to make.
    for (old_size, new_size) in [(0, 1), (1, 16_383)] {
        let extension = LogExtension {
            epoch,
            old_size,
            new_size,
            hashes: merkle::subtree_hashes(&tree, old_size, new_size).unwrap(),
            expected_root: merkle::tree_root(&tree, new_size).unwrap(),
        };
        let part =
            log_transaction(instructions, &stage.coordinator, &stage.signer.key, &extension, 1);
        stage.send(&part, &[&stage.signer.keypair]).await;
    }
    let log = chain.coordinator(stage.coordinator, AT).await.unwrap().unwrap().log;
    assert_eq!((log.size, log.root), (16_383, tree.root()));
    assert_eq!(log.peaks, tree.range().peaks());

    let open = instructions.log_epoch_open(&stage.coordinator, &stage.authority.key, epoch);
    stage.send(&[open], &[&stage.authority.keypair]).await;
    let head = chain.epoch_head(stage.coordinator, epoch, AT).await.unwrap().unwrap();
    assert_eq!((head.epoch, head.size, head.root), (epoch, 16_383, tree.root()));
    let log = chain.coordinator(stage.coordinator, AT).await.unwrap().unwrap().log;
    assert_eq!((log.epoch, log.size), (epoch + 1, 0));
    stage.localnet.stop().await;
}

#[tokio::test]
async fn money_leaves_without_the_coordinator() {
    let stage = Stage::open().await;
    let Stage { chain, instructions, owner, .. } = &stage;
    let to = instructions.token_account(&owner.key);
    let before = stage.balance(owner).await;
    let withdraw = instructions.escrow_withdraw(&stage.escrow, &owner.key, &to, Amount(3_000_000));
    stage.send(&[withdraw], &[&owner.keypair]).await;
    assert_eq!(stage.balance(owner).await, Amount(before.0 + 3_000_000));

    let allowance = stage.allowance().await;
    let release = instructions.allowance_release(&allowance, Amount(4_000_000), Some(to));
    stage.send(&[release], &[&owner.keypair]).await;
    let allowance = stage.allowance().await;
    assert_eq!(allowance.admissible(UnixSeconds(0)), Amount(1_000_000));
    let exit = instructions.allowance_exit(&allowance);
    assert_eq!(stage.refused(exit.clone(), &[&stage.operator.keypair]).await, "NotMatured");
    stage.wait_for_delay().await;
    stage.send(&[exit], &[&stage.operator.keypair]).await;
    assert_eq!(stage.balance(owner).await, Amount(before.0 + 7_000_000));

    // The rest goes back to the escrow's free balance.
    let allowance = stage.allowance().await;
    let release = instructions.allowance_release(&allowance, allowance.remaining(), None);
    stage.send(&[release], &[&owner.keypair]).await;
    stage.wait_for_delay().await;
    let exit = instructions.allowance_exit(&stage.allowance().await);
    stage.send(&[exit], &[&owner.keypair]).await;
    assert_eq!(stage.allowance().await.remaining(), Amount::ZERO);
    let escrow = chain.escrow(stage.escrow, AT).await.unwrap().unwrap();
    assert_eq!(escrow.free, Amount(1_000_000));
    stage.localnet.stop().await;
}

#[tokio::test]
async fn allowance_is_raised_and_stake_unbonds() {
    let stage = Stage::open().await;
    let Stage { chain, instructions, owner, operator, .. } = &stage;
    let later = UnixSeconds(stage.expiry.0 + 60);
    let raise = instructions.allowance_raise(&stage.allowance().await, Amount(500_000), later);
    stage.send(&[raise], &[&owner.keypair]).await;
    let allowance = stage.allowance().await;
    assert_eq!((allowance.reserved, allowance.expiry), (Amount(5_500_000), later));

    let before = stage.balance(operator).await;
    let unbond = instructions.node_unbond(&stage.node, &operator.key, Amount(1_500_000));
    stage.send(&[unbond], &[&operator.keypair]).await;
    let node = chain.node(stage.node, AT).await.unwrap().unwrap();
    assert_eq!(node.stake, Amount::ZERO);
    assert_eq!(node.unbonding.unwrap().amount, Amount(1_500_000));
    stage.wait_for_delay().await;
    let claim = instructions.node_unbond_claim(&stage.node, &operator.key);
    stage.send(&[claim], &[&owner.keypair]).await;
    assert_eq!(stage.balance(operator).await, Amount(before.0 + 1_500_000));
    stage.localnet.stop().await;
}

#[tokio::test]
async fn keys_rotate_and_the_profile_changes() {
    let stage = Stage::open().await;
    let Stage { chain, instructions, authority, operator, .. } = &stage;
    let (new_signer, new_hot) = (Wallet::empty(), Wallet::empty());
    let changes = CoordinatorChanges {
        endpoint: Some("https://moved.example".to_owned()),
        evidence_hash: Some(Hash32([4; 32])),
        ..CoordinatorChanges::default()
    };
    let update = instructions.coordinator_update(&stage.coordinator, &authority.key, &changes);
    let rotate = instructions.coordinator_rotate_signer(
        &stage.coordinator,
        &authority.key,
        &stage.signer.key,
        &new_signer.key,
    );
    // In this order: evidence binds the signer, so a rotation clears it.
    stage.send(&[rotate, update], &[&authority.keypair, &new_signer.keypair]).await;
    let coordinator = chain.coordinator(stage.coordinator, AT).await.unwrap().unwrap();
    assert_eq!(coordinator.signer, new_signer.key);
    assert_eq!(coordinator.endpoint, "https://moved.example");
    assert_eq!(coordinator.evidence_hash, Hash32([4; 32]));
    assert_eq!(coordinator.measurement, Hash32::ZERO);

    let rotate =
        instructions.node_rotate_signer(&stage.node, &operator.key, &stage.hot.key, &new_hot.key);
    stage.send(&[rotate], &[&operator.keypair, &new_hot.keypair]).await;
    assert_eq!(chain.node(stage.node, AT).await.unwrap().unwrap().signer, new_hot.key);
    stage.localnet.stop().await;
}

#[tokio::test]
async fn young_and_full_accounts_cannot_be_closed() {
    let stage = Stage::open().await;
    let Stage { chain, instructions, owner, operator, .. } = &stage;
    let node = chain.node(stage.node, AT).await.unwrap().unwrap();
    let node = instructions.node_close(&node);
    assert_eq!(stage.refused(node, &[&operator.keypair]).await, "NodeNotEmpty");
    let escrow = chain.escrow(stage.escrow, AT).await.unwrap().unwrap();
    let escrow = instructions.escrow_close(&escrow);
    assert_eq!(stage.refused(escrow, &[&owner.keypair]).await, "EscrowNotEmpty");
    let allowance = instructions.allowance_close(&stage.allowance().await);
    assert_eq!(stage.refused(allowance, &[&owner.keypair]).await, "AllowanceNotEmpty");
    stage.localnet.stop().await;
}

#[tokio::test]
async fn paused_market_refuses_deposits_by_name_and_goes_on_when_resumed() {
    let stage = Stage::open().await;
    let Stage { chain, instructions, owner, .. } = &stage;
    let governance = keys::authority();
    let key = pinaivu_chain::public_key(&pinaivu_chain::Signer::pubkey(&governance));
    stage.send(&[instructions.market_pause(&key, true)], &[&governance]).await;
    let deposit = instructions.escrow_deposit(&stage.escrow, &owner.key, Amount(1));
    let refused = send(chain, std::slice::from_ref(&deposit), &[&owner.keypair]).await.unwrap_err();
    assert!(refused.program_error().unwrap().is(PinaivuError::MarketPaused));
    assert!(!refused.is_retryable());
    assert!(matches!(refused, ChainError::Transaction(_)));
    stage.send(&[instructions.market_pause(&key, false)], &[&governance]).await;
    stage.send(&[deposit], &[&owner.keypair]).await;
    stage.localnet.stop().await;
}

#[tokio::test]
async fn fullest_settlement_transactions_land_within_their_compute_budget() {
    const MOST: u64 = 25;
    let stage = Stage::open().await;
    let Stage { chain, instructions, owner, operator, .. } = &stage;
    let now = chain.position(AT).await.unwrap().time.slot;
    // Addresses differ by their opening slot; older ones are as good within the window.
    let taken = stage.allowance().await.opening_slot;
    let free = (0..now.0).rev().map(Slot).filter(|slot| *slot != taken);
    let mut allowances = Vec::new();
    let mut nodes = Vec::new();
    for slot in free.take(usize::try_from(MOST).unwrap()) {
        let (allowance, open) = instructions.allowance_open(
            &stage.escrow,
            &owner.key,
            &stage.coordinator,
            slot,
            Amount(1_000),
            stage.expiry,
        );
        let hot = Wallet::empty();
        let (node, register) =
            instructions.node_register(&operator.key, &hot.key, &operator.key, slot);
        let payout = instructions.payout_open(&stage.coordinator, &node, &operator.key);
        let (open, register) = ([open], [register, payout]);
        let (owners, operators) = ([&owner.keypair], [&operator.keypair, &hot.keypair]);
        tokio::join!(stage.send(&open, &owners), stage.send(&register, &operators));
        allowances.push((allowance, Amount(1_000)));
        nodes.push((node, Amount(950)));
    }
    let (instructions, signer) = (&stage.instructions, &stage.signer.key);
    let debits = debit_transactions(instructions, &stage.coordinator, signer, &allowances, 1);
    let fees = Amount(MOST * 50);
    let credits = credit_transactions(instructions, &stage.coordinator, signer, &nodes, fees, 1);
    assert_eq!((debits.len(), credits.len()), (2, 2));
    for part in debits.iter().chain(&credits) {
        stage.send(part, &[&stage.signer.keypair]).await;
    }
    let coordinator = chain.coordinator(stage.coordinator, AT).await.unwrap().unwrap();
    assert_eq!(coordinator.debited, Amount(MOST * 1_000));
    assert_eq!(coordinator.credited, Amount(MOST * 950));
    assert_eq!(coordinator.fees, fees);
    stage.localnet.stop().await;
}
