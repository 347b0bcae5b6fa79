//! The eleven patterns of the sealevel-attacks collection, each tried where it would pay most here.

use pinaivu::state::{Allowance, Escrow};
use pinaivu_protocol::seeds;
use pinaivu_protocol::seeds::OPENING_SLOT_WINDOW;
use solana_instruction::{AccountMeta, Instruction};
use solana_pubkey::Pubkey;

use crate::harness::*;
use crate::hostile::{Idl, Stage, said};

/// Runs one instruction on the stage's world; what became of it.
fn attempt(stage: &Stage, instruction: &Instruction) -> String {
    said(&stage.attempt(&mut stage.world.fork(), std::slice::from_ref(instruction)))
}

/// The position of an account by its name in the IDL.
fn place(instruction: &str, account: &str) -> usize {
    let slots = &Idl::read().instructions[instruction];
    slots.iter().position(|slot| slot.name == account).unwrap()
}

#[test]
fn signer_authorization_of_a_named_owner_who_did_not_sign_is_refused() {
    let stage = Stage::new();
    let mut withdraw = stage.world.escrow_withdraw(&stage.market, &stage.escrow, &stage.alice, 5);
    withdraw.accounts[place("escrow_withdraw", "owner")].is_signer = false;
    withdraw.accounts[place("escrow_withdraw", "destination")].pubkey = stage.bob.tokens;
    assert_eq!(attempt(&stage, &withdraw), "AccountNotSigner");
}

#[test]
fn account_data_matching_of_a_token_account_of_someone_else_is_refused() {
    let stage = Stage::new();
    let mut deposit = stage.world.escrow_deposit(&stage.market, &stage.empty, &stage.bob, 5);
    deposit.accounts[place("escrow_deposit", "source")].pubkey = stage.alice.tokens;
    assert_eq!(attempt(&stage, &deposit), "Custom(4)");
    let claim = stage.world.claim(&stage.market, &stage.payout, &stage.bob.tokens);
    assert_eq!(attempt(&stage, &claim), "WrongTokenAccount");
}

#[test]
fn owner_checks_refuse_an_account_whose_bytes_another_program_wrote() {
    let mut stage = Stage::new();
    let deposit = stage.world.escrow_deposit(&stage.market, &stage.escrow, &stage.alice, 5);
    for account in ["market", "ledger", "escrow", "escrow_vault", "mint", "source"] {
        let index = place("escrow_deposit", account);
        let mut forged = stage.world.svm.get_account(&deposit.accounts[index].pubkey).unwrap();
        forged.owner = Pubkey::new_from_array([0xad; 32]);
        let address = Pubkey::new_from_array([0xae; 32]);
        stage.world.set_account(address, forged);
        let mut with = deposit.clone();
        with.accounts[index].pubkey = address;
        assert_eq!(attempt(&stage, &with), "AccountOwnedByWrongProgram", "{account}");
    }
}

#[test]
fn type_cosplay_of_one_account_as_another_kind_is_refused() {
    let mut stage = Stage::new();
    // The bytes after the mark are those of the right kind: only the mark tells them apart.
    let mut disguised = stage.world.svm.get_account(&stage.allowance).unwrap();
    let escrow = stage.world.svm.get_account(&stage.escrow).unwrap();
    disguised.data[..8].copy_from_slice(&escrow.data[..8]);
    let address = Pubkey::new_from_array([0xae; 32]);
    stage.world.set_account(address, disguised);
    let debit = stage.world.debit(&stage.coordinator, &[(address, 110)]);
    let mut world = stage.world.fork();
    let failure = world.send_unchecked(&[debit], &[&stage.coordinator.signer]).unwrap_err();
    assert_eq!(named(&failure), "WrongEntryAccount");
    let node_as_coordinator = {
        let mut claim = stage.world.fee_claim(
            &stage.market,
            &stage.coordinator.address,
            &stage.coordinator.authority.tokens,
        );
        claim.accounts[place("fee_claim", "coordinator")].pubkey = stage.node.address;
        claim
    };
    let failure = world.send_unchecked(&[node_as_coordinator], &[]).unwrap_err();
    assert_eq!(named(&failure), "AccountDiscriminatorMismatch");
}

#[test]
fn initialization_of_what_exists_is_refused_and_of_what_a_stranger_funded_is_not() {
    let mut world = World::new();
    let (market, alice) = (world.market, world.actor(5));
    let slot = world.slot();
    let (escrow, open) = world.escrow_open(&market, &alice.address(), slot);
    // Lamports at an address make no account of it, and cannot keep it from being one.
    world.svm.airdrop(&escrow, 1_000_000).unwrap();
    world.ok(&open, &[&alice.key]);
    world.ok(&world.escrow_deposit(&market, &escrow, &alice, 5), &[&alice.key]);
    world.fails(&open, &[&alice.key], custom(ALREADY_IN_USE));
    let again = world.market_initialize(&market, rules(alice.address()));
    let deployer = world.deployer.insecure_clone();
    world.fails(&again, &[&deployer], custom(ALREADY_IN_USE));
    assert_eq!(world.read::<Escrow>(&escrow).free, 5);
}

#[test]
fn arbitrary_cpi_into_a_program_that_only_looks_like_the_token_program_is_refused() {
    let mut stage = Stage::new();
    let evil = Pubkey::new_from_array([0xaf; 32]);
    let so = concat!(env!("CARGO_MANIFEST_DIR"), "/artifact/pinaivu.so");
    stage.world.svm.add_program_from_file(evil, so).unwrap();
    for (instruction, account) in [
        (stage.world.escrow_withdraw(&stage.market, &stage.escrow, &stage.alice, 5), 7),
        (stage.world.escrow_deposit(&stage.market, &stage.escrow, &stage.alice, 5), 7),
    ] {
        let mut with = instruction;
        assert_eq!(with.accounts[account].pubkey, CLASSIC);
        with.accounts[account].pubkey = evil;
        assert_eq!(attempt(&stage, &with), "InvalidProgramId");
    }
}

#[test]
fn duplicate_mutable_accounts_are_refused_or_counted_once() {
    let stage = Stage::new();
    let mut withdraw = stage.world.escrow_withdraw(&stage.market, &stage.escrow, &stage.alice, 5);
    withdraw.accounts[place("escrow_withdraw", "destination")].pubkey = stage.market.escrow_vault;
    assert_eq!(attempt(&stage, &withdraw), "ConstraintDuplicateMutableAccount");
    // The same allowance three times: from 100 to 150, once.
    let entries = [(stage.allowance, 150), (stage.allowance, 150), (stage.allowance, 140)];
    let mut world = stage.world.fork();
    let debit = stage.world.debit(&stage.coordinator, &entries);
    assert_eq!(said(&stage.attempt(&mut world, &[debit])), "accepted");
    assert_eq!(world.read::<Allowance>(&stage.allowance).debited, 150);
}

#[test]
fn bump_seed_canonicalization_refuses_every_other_address_of_the_same_seeds() {
    let stage = Stage::new();
    let (owner, slot) = (stage.newcomer.address(), stage.world.slot());
    let (escrow, open) = stage.world.escrow_open(&stage.market, &owner, slot);
    let slot = slot.to_le_bytes();
    let seeds: [&[u8]; 4] = [seeds::ESCROW, stage.market.address.as_ref(), owner.as_ref(), &slot];
    let others = (0..=u8::MAX).filter_map(|bump| {
        let bump = [bump];
        let with_bump = [seeds[0], seeds[1], seeds[2], seeds[3], &bump];
        Pubkey::create_program_address(&with_bump, &pinaivu::ID).ok()
    });
    let others: Vec<Pubkey> = others.filter(|address| *address != escrow).collect();
    assert!(others.len() > 50, "{} other addresses", others.len());
    for address in others {
        let mut with = open.clone();
        with.accounts[place("escrow_open", "escrow")].pubkey = address;
        assert_eq!(attempt(&stage, &with), "ConstraintSeeds");
    }
}

#[test]
fn pda_sharing_lets_no_market_pay_from_anothers_vault() {
    let mut world = World::new();
    let (market, other) = (world.market, world.open_market(CLASSIC));
    let (alice, rich) = (world.actor(5), world.actor_in(other, 1_000));
    let escrow = world.escrow(&alice, 5);
    world.escrow_in(other, &rich, 1_000);
    for vault in [other.escrow_vault, market.stake_vault, market.bond_vault] {
        let mut withdraw = world.escrow_withdraw(&market, &escrow, &alice, 5);
        withdraw.accounts[place("escrow_withdraw", "escrow_vault")].pubkey = vault;
        world.fails(&withdraw, &[&alice.key], anchor_lang::error::ErrorCode::ConstraintSeeds);
    }
    // Every account of the other market, except the escrow that is to be paid from.
    let mut withdraw = world.escrow_withdraw(&other, &escrow, &alice, 5);
    withdraw.accounts[place("escrow_withdraw", "destination")].pubkey = rich.tokens;
    world.fails(&withdraw, &[&alice.key], pinaivu::error::PinaivuError::WrongMarket);
}

#[test]
fn closing_accounts_leaves_nothing_that_can_be_revived() {
    let stage = Stage::new();
    let mut world = stage.world.fork();
    let close = stage.world.allowance_close(&stage.spent);
    // The system program's transfer: u32 2, u64 lamports.
    let revive = Instruction {
        program_id: anchor_lang::system_program::ID,
        accounts: vec![
            AccountMeta::new(stage.alice.address(), true),
            AccountMeta::new(stage.spent, false),
        ],
        data: [2_u32.to_le_bytes().as_slice(), &10_000_000_u64.to_le_bytes()].concat(),
    };
    let debit = stage.world.debit(&stage.coordinator, &[(stage.spent, 1_000)]);
    let transaction = [close.clone(), revive, debit.clone()];
    assert_eq!(said(&stage.attempt(&mut world, &transaction)), "accepted");
    let left = world.svm.get_account(&stage.spent).unwrap();
    assert_eq!((left.owner, left.data.len()), (anchor_lang::system_program::ID, 0));
    // What is there now is nobody's allowance: it is debited nothing, raised nothing, closed no more.
    assert_eq!(said(&stage.attempt(&mut world, &[debit])), "accepted");
    assert_eq!(said(&stage.attempt(&mut world, &[close])), "AccountOwnedByWrongProgram");
    // And its address was its slot's: too old to open again.
    let opened = stage.world.read::<Allowance>(&stage.spent).opening_slot;
    assert!(world.slot() > opened + OPENING_SLOT_WINDOW);
    let (owner, coordinator) = (stage.alice.address(), stage.coordinator.address);
    let expiry = world.time() + 3_600;
    let market = &stage.market;
    let (address, reopen) =
        world.allowance_open(market, &owner, &stage.escrow, &coordinator, opened, 5, expiry);
    assert_eq!(address, stage.spent);
    assert_eq!(said(&stage.attempt(&mut world, &[reopen])), "OpeningSlotOutOfWindow");
}

#[test]
fn sysvar_address_checking_has_no_account_to_forge() {
    let fixed = "Sysvar1nstructions1111111111111111111111111";
    for (instruction, slots) in Idl::read().instructions {
        for slot in slots {
            let sysvar = ["clock", "rent", "slot_hashes", "sysvar", "instructions"];
            if sysvar.contains(&slot.name.as_str()) {
                let address = slot.address.as_deref();
                assert_eq!(address, Some(fixed), "{instruction}.{}", slot.name);
            }
        }
    }
}
