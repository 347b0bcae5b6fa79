//! Opening a market.

use anchor_lang::error::ErrorCode;
use pinaivu::error::PinaivuError;
use pinaivu::event::MarketInitialized;
use pinaivu::state::{Ledger, MAX_DELAY_SECONDS, MAX_DELAY_SLOTS, Market as MarketAccount, VERSION};
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use crate::harness::*;
use crate::hostile::{Case, Stage};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let rules = rules(stage.world.governance.pubkey());
    Case::of(stage.world.market_initialize(&stage.unopened, rules)).anyone("payer")
}

#[test]
fn market_opened_by_the_upgrade_authority_holds_its_rules_and_owes_nothing() {
    let mut world = World::without_market();
    let mint = world.mint(CLASSIC, 6);
    let market = Market::of(mint, CLASSIC);
    let deployer = world.deployer.insecure_clone();
    let governance = world.governance.pubkey();
    let meta = world.ok(&world.market_initialize(&market, rules(governance)), &[&deployer]);

    let stored: MarketAccount = world.read(&market.address);
    assert_eq!(stored.version, VERSION);
    assert_eq!((stored.mint, stored.token_program), (mint, CLASSIC));
    assert_eq!((stored.genesis_hash, stored.governance), (GENESIS, governance));
    assert_eq!((stored.fee_cap_bps, stored.mint_decimals, stored.paused), (FEE_CAP, 6, false));
    assert_eq!((stored.exit_delay_slots, stored.exit_delay_seconds), (EXIT_SLOTS, EXIT_SECONDS));
    assert_eq!(
        (stored.unbond_delay_slots, stored.unbond_delay_seconds),
        (UNBOND_SLOTS, UNBOND_SECONDS)
    );
    assert_eq!((stored.min_stake, stored.min_bond, stored.sequence), (100, MIN_BOND, 1));
    let ledger: Ledger = world.read(&market.ledger);
    assert_eq!(ledger.market, market.address);
    assert_eq!(
        (ledger.escrow_liabilities, ledger.stake_liabilities, ledger.bond_liabilities),
        (0, 0, 0)
    );
    for vault in [market.escrow_vault, market.stake_vault, market.bond_vault] {
        assert_eq!(world.tokens(&vault), 0);
    }
    let opened: MarketInitialized = event(&meta);
    assert_eq!((opened.market, opened.sequence), (market.address, 1));
    assert_eq!((opened.mint, opened.governance), (mint, governance));
}

#[test]
fn market_of_a_token_2022_mint_without_extensions_takes_deposits() {
    let mut world = World::without_market();
    let market = world.open_market(TOKEN_2022);
    let alice = world.actor_in(market, 10);
    let escrow = world.escrow_in(market, &alice, 4);
    let withdraw = world.escrow_withdraw(&market, &escrow, &alice, 3);
    world.ok(&withdraw, &[&alice.key]);
    assert_eq!((world.tokens(&alice.tokens), world.tokens(&market.escrow_vault)), (9, 1));
}

#[test]
fn market_of_a_token_2022_mint_with_an_extension_is_refused() {
    let mut world = World::without_market();
    let mint = world.mint(TOKEN_2022, 6);
    let mut account = world.svm.get_account(&mint).unwrap();
    // A mint with extensions: padded to a token account's length, the account type, then one
    // type-length-value entry. Type 1 is a transfer fee, 108 bytes.
    account.data.resize(165, 0);
    account.data.push(1);
    account.data.extend_from_slice(&1_u16.to_le_bytes());
    account.data.extend_from_slice(&108_u16.to_le_bytes());
    account.data.resize(account.data.len() + 108, 0);
    world.set_account(mint, account);
    let market = Market::of(mint, TOKEN_2022);
    let open = world.market_initialize(&market, rules(world.governance.pubkey()));
    let deployer = world.deployer.insecure_clone();
    world.fails(&open, &[&deployer], PinaivuError::MintHasExtensions);
}

#[test]
fn market_with_another_token_program_than_the_mints_is_refused() {
    let mut world = World::without_market();
    let mint = world.mint(CLASSIC, 6);
    let market = Market { token_program: TOKEN_2022, ..Market::of(mint, CLASSIC) };
    let open = world.market_initialize(&market, rules(world.governance.pubkey()));
    let deployer = world.deployer.insecure_clone();
    world.fails(&open, &[&deployer], "IncorrectProgramId");
}

#[test]
fn market_opened_by_anyone_but_the_upgrade_authority_is_refused() {
    let mut world = World::without_market();
    let market = Market::of(world.mint(CLASSIC, 6), CLASSIC);
    let open = world.market_initialize(&market, rules(world.governance.pubkey()));
    let deployer = world.deployer.insecure_clone();
    for authority in [Some(Pubkey::new_unique()), None] {
        world.set_upgrade_authority(authority);
        world.fails(&open, &[&deployer], PinaivuError::NotUpgradeAuthority);
    }
    world.set_upgrade_authority(Some(deployer.pubkey()));
    let mut unsigned = open.clone();
    unsigned.accounts[1].is_signer = false;
    world.fails(&unsigned, &[], ErrorCode::AccountNotSigner);
    world.ok(&open, &[&deployer]);
}

#[test]
fn market_with_anothers_program_data_is_refused() {
    let mut world = World::without_market();
    let market = Market::of(world.mint(CLASSIC, 6), CLASSIC);
    let mut open = world.market_initialize(&market, rules(world.governance.pubkey()));
    let deployer = world.deployer.insecure_clone();
    let imitation = Pubkey::new_unique();
    let account = world.svm.get_account(&program_data()).unwrap();
    world.set_account(imitation, account);
    open.accounts[3].pubkey = imitation;
    world.fails(&open, &[&deployer], PinaivuError::NotUpgradeAuthority);
}

#[test]
fn market_opened_twice_is_refused() {
    let mut world = World::new();
    let open = world.market_initialize(&world.market, rules(Pubkey::new_unique()));
    let deployer = world.deployer.insecure_clone();
    world.fails(&open, &[&deployer], custom(ALREADY_IN_USE));
}

#[test]
fn market_with_a_fee_cap_above_one_whole_is_refused() {
    let mut world = World::without_market();
    let market = Market::of(world.mint(CLASSIC, 6), CLASSIC);
    let deployer = world.deployer.insecure_clone();
    let mut args = rules(world.governance.pubkey());
    args.fee_cap_bps = 10_001;
    let open = world.market_initialize(&market, args.clone());
    world.fails(&open, &[&deployer], PinaivuError::FeeTooHigh);
    args.fee_cap_bps = 10_000;
    world.ok(&world.market_initialize(&market, args), &[&deployer]);
}

#[test]
fn market_with_a_delay_of_zero_or_above_the_maximum_is_refused() {
    let mut world = World::without_market();
    let market = Market::of(world.mint(CLASSIC, 6), CLASSIC);
    let deployer = world.deployer.insecure_clone();
    let good = rules(world.governance.pubkey());
    for slots in [0, MAX_DELAY_SLOTS + 1, u64::MAX] {
        for change in [
            |args: &mut pinaivu::instructions::MarketInitializeArgs, to| args.exit_delay_slots = to,
            |args: &mut pinaivu::instructions::MarketInitializeArgs, to| {
                args.unbond_delay_slots = to
            },
        ] {
            let mut args = good.clone();
            change(&mut args, slots);
            let open = world.market_initialize(&market, args);
            world.fails(&open, &[&deployer], PinaivuError::DelayOutOfRange);
        }
    }
    for seconds in [0, MAX_DELAY_SECONDS + 1, u64::MAX] {
        for change in [
            |args: &mut pinaivu::instructions::MarketInitializeArgs, to| {
                args.exit_delay_seconds = to
            },
            |args: &mut pinaivu::instructions::MarketInitializeArgs, to| {
                args.unbond_delay_seconds = to
            },
        ] {
            let mut args = good.clone();
            change(&mut args, seconds);
            let open = world.market_initialize(&market, args);
            world.fails(&open, &[&deployer], PinaivuError::DelayOutOfRange);
        }
    }
    let mut longest = good;
    (longest.exit_delay_slots, longest.exit_delay_seconds) = (MAX_DELAY_SLOTS, MAX_DELAY_SECONDS);
    (longest.unbond_delay_slots, longest.unbond_delay_seconds) = (1, 1);
    world.ok(&world.market_initialize(&market, longest), &[&deployer]);
}
