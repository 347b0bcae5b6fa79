//! Every account of every instruction, tampered with: left unsigned, made read-only, replaced by one of
//! its kind from another market (`elsewhere`) or of another person in this one (`neighbour`). The
//! snapshot lists what each attempt is refused with.
//!
//! `accepted` in the snapshot is a decision and must be one of those that [`may_differ`] names.

use std::collections::BTreeMap;

use anchor_lang::solana_program::instruction::AccountMeta;
use pinaivu::instructions::CoordinatorUpdateArgs;
use pinaivu_protocol::hash::sha256;
use pinaivu_protocol::seeds::OPENING_SLOT_WINDOW;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use crate::harness::*;

/// An instruction that succeeds in [`Stage::world`], with the names of its accounts in order.
struct Case {
    name: &'static str,
    instruction: Instruction,
    accounts: &'static [&'static str],
}

/// A world in which every instruction can succeed, and the same kinds of accounts twice.
struct Stage {
    world: World,
    cases: Vec<Case>,
    /// By account name an account of the same kind in another market.
    elsewhere: BTreeMap<&'static str, Pubkey>,
    /// By account name an account of the same kind of another person in this market.
    neighbours: BTreeMap<&'static str, Pubkey>,
    /// Every key there is, to sign with.
    keys: Vec<Keypair>,
}

/// Accounts that may be another: whoever pays rent, the wallet that an owner's signature chooses, a new
/// key that signs for itself, and whose escrow or node a stranger funds.
fn may_differ(instruction: &str, account: &str, kind: &str) -> bool {
    match (instruction, account) {
        (_, "payer" | "new_signer") | ("escrow_withdraw", "destination") => kind == "neighbour",
        ("node_register" | "coordinator_register", "signer") => kind == "neighbour",
        ("escrow_deposit", "escrow") | ("node_stake", "node") => kind == "neighbour",
        _ => false,
    }
}

fn stage() -> Stage {
    let mut world = World::new();
    let market = world.market;
    let governance = std::mem::replace(&mut world.governance, world.payer.insecure_clone());
    let other = world.open_market(CLASSIC);
    world.governance = governance;

    // The other market's people, who own one of everything too.
    let mallory = world.actor_in(other, 1_000);
    let their_escrow = world.escrow_in(other, &mallory, 500);
    let their_coordinator = world.coordinator_in(other);
    let their_node = world.node_in(other);
    let (slot, expiry) = (world.slot(), world.time() + 3_600);
    let (their_allowance, open) = world.allowance_open(
        &other,
        &mallory.address(),
        &their_escrow,
        &their_coordinator.address,
        slot,
        50,
        expiry,
    );
    world.ok(&open, &[&mallory.key]);
    let (their_payout, open) =
        world.payout_open(&other, &their_coordinator.address, &their_node.address);
    world.ok(&open, &[]);
    // Mallory is in this market as well.
    let mallory_here = Actor {
        tokens: world.token_account(&market, &mallory.address(), 1_000),
        key: mallory.key.insecure_clone(),
    };
    let rival = world.coordinator();
    let mallorys_escrow = world.escrow(&mallory_here, 100);
    let mallorys_allowance = world.allowance(&mallory_here, &mallorys_escrow, &rival, 50);
    let busy_node = world.node();
    let mallorys_payout = world.payout(&rival, &busy_node);

    let alice = world.actor(10_000);
    let escrow = world.escrow(&alice, 1_000);
    let mut coordinator = world.coordinator();
    coordinator.authority.tokens =
        world.token_account(&market, &coordinator.authority.address(), 1_000);
    let mut node = world.node();
    node.operator.tokens = world.token_account(&market, &node.operator.address(), 1_000);
    let payout = world.payout(&coordinator, &node);

    // Empty and old, to close.
    let spent = world.allowance(&alice, &escrow, &coordinator, 10);
    world.ok(&world.debit(&coordinator, &[(spent, 10)]), &[&coordinator.signer]);
    let bob = world.actor(0);
    let empty = world.escrow(&bob, 0);
    let leaver = world.node();
    world.pass(OPENING_SLOT_WINDOW + 1, 1);

    // Matured releases and stake.
    let leaving = world.allowance(&alice, &escrow, &coordinator, 100);
    let release = world.allowance_release(&leaving, &alice.address(), 60, Some(alice.tokens));
    world.ok(&release, &[&alice.key]);
    let stake = world.node_stake(&market, &node.address, &node.operator, 200);
    world.ok(&stake, &[&node.operator.key]);
    let unbond = world.node_unbond(&node.address, &node.operator.address(), 50);
    world.ok(&unbond, &[&node.operator.key]);
    world.pass(UNBOND_SLOTS, UNBOND_SECONDS);

    // Something to settle and to claim.
    let allowance = world.allowance(&alice, &escrow, &coordinator, 200);
    world.ok(&world.debit(&coordinator, &[(allowance, 100)]), &[&coordinator.signer]);
    let credit = world.credit(&market, &coordinator, &[(payout, 80)], 8);
    world.ok(&credit, &[&coordinator.signer]);

    world.pass(1, 0);
    let mint = world.mint(CLASSIC, 6);
    let fresh_market = Market::of(mint, CLASSIC);
    let (fresh_signer, fresh_owner) = (world.key(), world.actor(0));
    let (slot, expiry) = (world.slot(), world.time() + 3_600);
    let governance = world.governance.pubkey();
    let leaf = sha256(&[&[0]]).0;
    let grow =
        Extension { epoch: 0, old_size: 0, new_size: 1, hashes: vec![leaf], expected_root: leaf };
    let measure =
        CoordinatorUpdateArgs { endpoint: None, measurement: Some([1; 32]), evidence_hash: None };
    let second_node = world.node();
    let case = |name, instruction, accounts| Case { name, instruction, accounts };
    let w = &world;
    let cases = vec![
        case(
            "market_initialize",
            w.market_initialize(&fresh_market, rules(governance)),
            &[
                "payer",
                "upgrade_authority",
                "program",
                "program_data",
                "mint",
                "market",
                "ledger",
                "escrow_vault",
                "stake_vault",
                "bond_vault",
                "token_program",
                "system_program",
            ],
        ),
        case("market_pause", w.market_pause(&market, true), &["governance", "market"]),
        case(
            "escrow_open",
            w.escrow_open(&market, &fresh_owner.address(), slot).1,
            &["payer", "owner", "market", "escrow", "system_program"],
        ),
        case(
            "escrow_deposit",
            w.escrow_deposit(&market, &escrow, &alice, 5),
            &[
                "depositor",
                "market",
                "ledger",
                "escrow",
                "escrow_vault",
                "mint",
                "source",
                "token_program",
            ],
        ),
        case(
            "escrow_withdraw",
            w.escrow_withdraw(&market, &escrow, &alice, 5),
            &[
                "owner",
                "market",
                "ledger",
                "escrow",
                "escrow_vault",
                "mint",
                "destination",
                "token_program",
            ],
        ),
        case("escrow_close", w.escrow_close(&empty, &bob.address()), &["owner", "escrow"]),
        case(
            "allowance_open",
            w.allowance_open(
                &market,
                &alice.address(),
                &escrow,
                &coordinator.address,
                slot,
                5,
                expiry,
            )
            .1,
            &["payer", "owner", "market", "escrow", "coordinator", "allowance", "system_program"],
        ),
        case(
            "allowance_raise",
            w.allowance_raise(&market, &allowance, 5, expiry + 9_000),
            &["owner", "market", "escrow", "coordinator", "allowance"],
        ),
        case(
            "allowance_release",
            w.allowance_release(&allowance, &alice.address(), 5, None),
            &["owner", "allowance"],
        ),
        case(
            "allowance_exit",
            w.allowance_exit(&market, &leaving, Some(alice.tokens)),
            &[
                "market",
                "ledger",
                "escrow",
                "allowance",
                "escrow_vault",
                "mint",
                "named_destination",
                "token_program",
            ],
        ),
        case("allowance_close", w.allowance_close(&spent), &["owner", "escrow", "allowance"]),
        case(
            "node_register",
            w.node_register(
                &market,
                &fresh_owner.address(),
                &fresh_signer.pubkey(),
                &fresh_owner.address(),
                slot,
            )
            .1,
            &["payer", "operator", "signer", "market", "node", "system_program"],
        ),
        case(
            "node_stake",
            w.node_stake(&market, &node.address, &node.operator, 5),
            &[
                "depositor",
                "market",
                "ledger",
                "node",
                "stake_vault",
                "mint",
                "source",
                "token_program",
            ],
        ),
        case(
            "node_unbond",
            w.node_unbond(&node.address, &node.operator.address(), 5),
            &["operator", "node"],
        ),
        case(
            "node_unbond_claim",
            w.node_unbond_claim(&market, &node.address, &node.operator.tokens),
            &[
                "market",
                "ledger",
                "node",
                "stake_vault",
                "mint",
                "owned_destination",
                "token_program",
            ],
        ),
        case(
            "node_rotate_signer",
            w.node_rotate_signer(&node.address, &node.operator.address(), &fresh_signer.pubkey()),
            &["operator", "new_signer", "node"],
        ),
        case(
            "node_close",
            w.node_close(&leaver.address, &leaver.operator.address()),
            &["operator", "node"],
        ),
        case(
            "coordinator_register",
            w.coordinator_register(
                &market,
                &fresh_owner.address(),
                &fresh_signer.pubkey(),
                slot,
                FEE,
            )
            .1,
            &["payer", "authority", "signer", "market", "coordinator", "system_program"],
        ),
        case(
            "coordinator_bond",
            w.coordinator_bond(&market, &coordinator, 5, 5),
            &[
                "authority",
                "market",
                "ledger",
                "coordinator",
                "bond_vault",
                "mint",
                "source",
                "token_program",
            ],
        ),
        case(
            "coordinator_rotate_signer",
            w.coordinator_rotate_signer(&coordinator, &fresh_signer.pubkey()),
            &["authority", "new_signer", "coordinator"],
        ),
        case(
            "coordinator_update",
            w.coordinator_update(&coordinator, measure),
            &["authority", "coordinator"],
        ),
        case(
            "payout_open",
            w.payout_open(&market, &coordinator.address, &second_node.address).1,
            &["payer", "market", "coordinator", "node", "payout", "system_program"],
        ),
        case("log_extend", w.log_extend(&coordinator, grow), &["signer", "coordinator"]),
        case(
            "log_epoch_open",
            w.log_epoch_open(&coordinator, 0).1,
            &["payer", "authority", "coordinator", "epoch_head", "system_program"],
        ),
        case(
            "debit",
            w.debit(&coordinator, &[(allowance, 110)]),
            &["signer", "coordinator", "allowance"],
        ),
        case(
            "credit",
            w.credit(&market, &coordinator, &[(payout, 85)], 9),
            &["signer", "market", "coordinator", "payout"],
        ),
        case(
            "claim",
            w.claim(&market, &coordinator.address, &payout, &node.payout_owner.tokens),
            &[
                "market",
                "ledger",
                "coordinator",
                "payout",
                "escrow_vault",
                "mint",
                "owned_destination",
                "token_program",
            ],
        ),
        case(
            "fee_claim",
            w.fee_claim(&market, &coordinator.address, &coordinator.authority.tokens),
            &[
                "market",
                "ledger",
                "coordinator",
                "escrow_vault",
                "mint",
                "owned_destination",
                "token_program",
            ],
        ),
    ];
    let elsewhere = BTreeMap::from([
        ("program", CLASSIC),
        ("program_data", market.address),
        ("mint", other.mint),
        ("market", other.address),
        ("ledger", other.ledger),
        ("escrow_vault", other.escrow_vault),
        ("stake_vault", other.stake_vault),
        ("bond_vault", other.bond_vault),
        ("token_program", TOKEN_2022),
        ("system_program", CLASSIC),
        ("escrow", their_escrow),
        ("allowance", their_allowance),
        ("coordinator", their_coordinator.address),
        ("node", their_node.address),
        ("payout", their_payout),
        ("source", mallory.tokens),
        ("destination", mallory.tokens),
        ("named_destination", mallory.tokens),
        ("owned_destination", mallory.tokens),
    ]);
    let person = mallory.address();
    let neighbours = BTreeMap::from([
        ("payer", person),
        ("upgrade_authority", person),
        ("governance", person),
        ("owner", person),
        ("operator", person),
        ("authority", person),
        ("depositor", person),
        ("signer", person),
        ("new_signer", person),
        ("escrow", mallorys_escrow),
        ("allowance", mallorys_allowance),
        ("coordinator", rival.address),
        ("node", busy_node.address),
        ("payout", mallorys_payout),
        ("epoch_head", mallorys_escrow),
        ("source", mallory_here.tokens),
        ("destination", mallory_here.tokens),
        ("named_destination", mallory_here.tokens),
        ("owned_destination", mallory_here.tokens),
        // The vaults and the ledger have no neighbours of their kind; another vault stands in.
        ("escrow_vault", market.stake_vault),
        ("stake_vault", market.bond_vault),
        ("bond_vault", market.escrow_vault),
    ]);
    let mut keys = vec![
        world.payer.insecure_clone(),
        world.deployer.insecure_clone(),
        world.governance.insecure_clone(),
        fresh_signer,
    ];
    let actors =
        [mallory, alice, bob, fresh_owner, coordinator.authority, node.operator, leaver.operator];
    keys.extend(actors.into_iter().map(|actor| actor.key));
    keys.push(coordinator.signer);
    Stage { world, cases, elsewhere, neighbours, keys }
}

impl Stage {
    /// What becomes of the instruction, in this very state.
    fn attempt(&self, instruction: &Instruction) -> String {
        let mut world = self.world.fork();
        let signs = |key: &&Keypair| {
            let signer = |meta: &&AccountMeta| meta.is_signer && meta.pubkey == key.pubkey();
            instruction.accounts.iter().any(|meta| signer(&meta))
        };
        let signers: Vec<&Keypair> = self.keys.iter().filter(signs).collect();
        match world.send(std::slice::from_ref(instruction), &signers) {
            Ok(_) => "accepted".to_owned(),
            Err(failure) => named(&failure),
        }
    }
}

/// The error's name from the program's log where it has one, else what the runtime calls it.
fn named(failure: &litesvm::types::FailedTransactionMetadata) -> String {
    let name = failure.meta.logs.iter().find_map(|line| {
        let rest = line.split_once("Error Code: ")?.1;
        Some(rest.split_once('.')?.0.to_owned())
    });
    name.unwrap_or_else(|| refusal(failure))
}

#[test]
fn instructions_with_any_account_tampered_with_are_refused() {
    let stage = stage();
    let mut report = String::new();
    for Case { name, instruction, accounts } in &stage.cases {
        assert_eq!(instruction.accounts.len(), accounts.len(), "{name}");
        assert_eq!(stage.attempt(instruction), "accepted", "{name}");
        for (index, account) in accounts.iter().enumerate() {
            let mut attempts = Vec::new();
            let meta = &instruction.accounts[index];
            let payer = meta.pubkey == stage.world.payer.pubkey();
            // The fee payer signs and is written whatever the instruction says.
            if meta.is_signer && !payer {
                let mut unsigned = instruction.clone();
                unsigned.accounts[index].is_signer = false;
                attempts.push(("unsigned", unsigned));
            }
            if meta.is_writable && !payer {
                let mut frozen = instruction.clone();
                frozen.accounts[index].is_writable = false;
                attempts.push(("read-only", frozen));
            }
            let twins = [("elsewhere", &stage.elsewhere), ("neighbour", &stage.neighbours)];
            let mut replaced = false;
            for (kind, twins) in twins {
                if let Some(twin) = twins.get(account) {
                    let mut other = instruction.clone();
                    other.accounts[index].pubkey = *twin;
                    attempts.push((kind, other));
                    replaced = true;
                }
            }
            assert!(replaced, "{name}.{account} has no twin");
            for (kind, attempt) in attempts {
                let outcome = stage.attempt(&attempt);
                let allowed = may_differ(name, account, kind);
                assert!(outcome != "accepted" || allowed, "{name}.{account} {kind}");
                report.push_str(&format!("{name}.{account} {kind}: {outcome}\n"));
            }
        }
    }
    insta::assert_snapshot!(report);
}
