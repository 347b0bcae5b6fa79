//! Opening a market.

use anchor_lang::error::ErrorCode;
use pinaivu::error::PinaivuError;
use pinaivu::event::MarketInitialized;
use pinaivu::state::{Ledger, MAX_DELAY_SECONDS, MAX_DELAY_SLOTS, Market as MarketAccount, VERSION, MAX_MINIMUM, MarketRules};
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
fn market_with_a_fee_cap_above_one_half_is_refused() {
    let mut world = World::without_market();
    let market = Market::of(world.mint(CLASSIC, 6), CLASSIC);
    let deployer = world.deployer.insecure_clone();
    let mut args = rules(world.governance.pubkey());
    args.rules.fee_cap_bps = 5_001;
    let open = world.market_initialize(&market, args.clone());
    world.fails(&open, &[&deployer], PinaivuError::FeeTooHigh);
    args.rules.fee_cap_bps = 5_000;
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
            |args: &mut pinaivu::instructions::MarketInitializeArgs, to| args.rules.exit_delay_slots = to,
            |args: &mut pinaivu::instructions::MarketInitializeArgs, to| {
                args.rules.unbond_delay_slots = to
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
                args.rules.exit_delay_seconds = to
            },
            |args: &mut pinaivu::instructions::MarketInitializeArgs, to| {
                args.rules.unbond_delay_seconds = to
            },
        ] {
            let mut args = good.clone();
            change(&mut args, seconds);
            let open = world.market_initialize(&market, args);
            world.fails(&open, &[&deployer], PinaivuError::DelayOutOfRange);
        }
    }
    let mut longest = good;
    (longest.rules.exit_delay_slots, longest.rules.exit_delay_seconds) = (MAX_DELAY_SLOTS, MAX_DELAY_SECONDS);
    (longest.rules.unbond_delay_slots, longest.rules.unbond_delay_seconds) = (1, 1);
    (longest.rules.governance_delay_slots, longest.rules.governance_delay_seconds) =
        (MAX_DELAY_SLOTS, MAX_DELAY_SECONDS);
    world.ok(&world.market_initialize(&market, longest), &[&deployer]);
}

#[test]
fn market_whose_delays_leave_no_time_to_demand_or_to_exit_is_refused() {
    let mut world = World::without_market();
    let market = Market::of(world.mint(CLASSIC, 6), CLASSIC);
    let deployer = world.deployer.insecure_clone();
    let good = rules(world.governance.pubkey());
    let changes: [fn(&mut MarketRules); 8] = [
        |rules| rules.guarantee_delay_slots = rules.liveness_slots,
        |rules| rules.guarantee_delay_seconds = rules.liveness_seconds,
        |rules| rules.governance_delay_slots = rules.exit_delay_slots - 1,
        |rules| rules.governance_delay_seconds = rules.exit_delay_seconds - 1,
        |rules| rules.governance_delay_slots = rules.unbond_delay_slots - 1,
        |rules| rules.governance_delay_seconds = rules.unbond_delay_seconds - 1,
        |rules| rules.guarantee_delay_slots = rules.governance_delay_slots + 1,
        |rules| rules.guarantee_delay_seconds = rules.governance_delay_seconds + 1,
    ];
    for change in changes {
        let mut args = good.clone();
        change(&mut args.rules);
        let open = world.market_initialize(&market, args);
        world.fails(&open, &[&deployer], PinaivuError::DelayOrder);
    }
    for minimum in [MAX_MINIMUM + 1, u64::MAX] {
        let mut args = good.clone();
        args.rules.min_bond = minimum;
        let open = world.market_initialize(&market, args.clone());
        world.fails(&open, &[&deployer], PinaivuError::MinimumTooHigh);
        args.rules = MarketRules { min_stake: minimum, ..good.rules };
        let open = world.market_initialize(&market, args);
        world.fails(&open, &[&deployer], PinaivuError::MinimumTooHigh);
    }
    let mut shortest = good;
    shortest.rules.guarantee_delay_slots = shortest.rules.liveness_slots + 1;
    shortest.rules.guarantee_delay_seconds = shortest.rules.liveness_seconds + 1;
    shortest.rules.governance_delay_slots = UNBOND_SLOTS;
    shortest.rules.governance_delay_seconds = UNBOND_SECONDS;
    shortest.rules.min_bond = MAX_MINIMUM;
    world.ok(&world.market_initialize(&market, shortest.clone()), &[&deployer]);
    assert_eq!(world.read::<MarketAccount>(&market.address).rules(), shortest.rules);
}

#[test]
fn market_of_a_token_2022_mint_that_only_describes_itself_takes_every_flow() {
    let mut world = World::without_market();
    let mint = world.mint(TOKEN_2022, 6);
    let mut account = world.svm.get_account(&mint).unwrap();
    account.data.resize(165, 0);
    account.data.push(1);
    // A metadata pointer: type 18, 64 bytes.
    account.data.extend_from_slice(&18_u16.to_le_bytes());
    account.data.extend_from_slice(&64_u16.to_le_bytes());
    // Its value, and room for more, which begins with an empty type.
    account.data.resize(account.data.len() + 64 + 6, 0);
    world.set_account(mint, account);
    let market = Market::of(mint, TOKEN_2022);
    let deployer = world.deployer.insecure_clone();
    let open = world.market_initialize(&market, rules(world.governance.pubkey()));
    world.ok(&open, &[&deployer]);
    let alice = world.actor_in(market, 10);
    let escrow = world.escrow_in(market, &alice, 4);
    world.deposit_tokens(&market, &escrow, 3);
    world.ok(&world.escrow_sweep(&market, &escrow), &[]);
    world.ok(&world.escrow_withdraw(&market, &escrow, &alice, 7), &[&alice.key]);
    assert_eq!((world.tokens(&alice.tokens), world.tokens(&market.escrow_vault)), (13, 0));
}
