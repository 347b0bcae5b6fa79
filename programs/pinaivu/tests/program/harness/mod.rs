//! A chain with the program on it, markets, and people with tokens.
//!
//! [`World::send`] is the only way to a transaction; it calls the oracle after each, whether it
//! succeeded or not.

mod instructions;
mod oracle;
mod tokens;

use std::collections::HashMap;

use anchor_lang::error::ErrorCode;
use anchor_lang::{AccountDeserialize, AnchorDeserialize, Discriminator};
use base64::Engine as _;
use litesvm::LiteSVM;
use litesvm::types::{FailedTransactionMetadata, TransactionMetadata};
use pinaivu::error::PinaivuError;
use pinaivu::instructions::MarketInitializeArgs;
use pinaivu_protocol::seeds;
use solana_account::Account;
use solana_clock::Clock;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_message::Message;
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use solana_transaction::Transaction;

pub(crate) use instructions::{Extension, find};
pub(crate) use tokens::{CLASSIC, TOKEN_2022};

/// The program's upgradeable loader.
const LOADER: Pubkey = Pubkey::from_str_const("BPFLoaderUpgradeab1e11111111111111111111111");

/// What a market is opened with unless a test says otherwise.
pub(crate) const EXIT_SLOTS: u64 = 100;
pub(crate) const EXIT_SECONDS: u64 = 60;
pub(crate) const UNBOND_SLOTS: u64 = 200;
pub(crate) const UNBOND_SECONDS: u64 = 90;
pub(crate) const MIN_BOND: u64 = 50;
pub(crate) const FEE_CAP: u16 = 2_000;
/// The fee of the coordinators that [`World::coordinator`] registers.
pub(crate) const FEE: u16 = 1_000;

/// A person with a token account in one market.
pub(crate) struct Actor {
    pub(crate) key: Keypair,
    pub(crate) tokens: Pubkey,
}

impl Actor {
    pub(crate) fn address(&self) -> Pubkey {
        self.key.pubkey()
    }
}

/// A market and everything whose address follows from it.
#[derive(Clone, Copy)]
pub(crate) struct Market {
    pub(crate) address: Pubkey,
    pub(crate) mint: Pubkey,
    pub(crate) token_program: Pubkey,
    pub(crate) ledger: Pubkey,
    pub(crate) escrow_vault: Pubkey,
    pub(crate) stake_vault: Pubkey,
    pub(crate) bond_vault: Pubkey,
}

impl Market {
    /// The market that `mint` has or would have.
    pub(crate) fn of(mint: Pubkey, token_program: Pubkey) -> Self {
        let address = find(&[seeds::MARKET, mint.as_ref(), &GENESIS]);
        let child = |seed: &[u8]| find(&[seed, address.as_ref()]);
        Self {
            address,
            mint,
            token_program,
            ledger: child(seeds::LEDGER),
            escrow_vault: child(seeds::ESCROW_VAULT),
            stake_vault: child(seeds::STAKE_VAULT),
            bond_vault: child(seeds::BOND_VAULT),
        }
    }
}

/// Genesis hash of the cluster that tests pretend to be.
pub(crate) const GENESIS: [u8; 32] = [7; 32];

/// A registered coordinator with its keys.
pub(crate) struct Coordinator {
    pub(crate) address: Pubkey,
    pub(crate) authority: Actor,
    pub(crate) signer: Keypair,
}

/// A registered node with its keys, and its payout at one coordinator where it was opened.
pub(crate) struct Node {
    pub(crate) address: Pubkey,
    pub(crate) operator: Actor,
    pub(crate) signer: Keypair,
    pub(crate) payout_owner: Actor,
}

/// The chain.
pub(crate) struct World {
    pub(crate) svm: LiteSVM,
    /// Pays fees and rent.
    pub(crate) payer: Keypair,
    /// The program's upgrade authority.
    pub(crate) deployer: Keypair,
    /// May pause every market.
    pub(crate) governance: Keypair,
    /// The market most tests use.
    pub(crate) market: Market,
    /// Tokens sent to vaults by strangers, by vault.
    donations: HashMap<Pubkey, u64>,
    /// Tokens ever minted, by mint.
    minted: HashMap<Pubkey, u128>,
    seeds: u16,
}

/// Rules of the market that most tests use.
pub(crate) fn rules(governance: Pubkey) -> MarketInitializeArgs {
    MarketInitializeArgs {
        genesis_hash: GENESIS,
        governance,
        fee_cap_bps: FEE_CAP,
        exit_delay_slots: EXIT_SLOTS,
        exit_delay_seconds: EXIT_SECONDS,
        unbond_delay_slots: UNBOND_SLOTS,
        unbond_delay_seconds: UNBOND_SECONDS,
        min_stake: 100,
        min_bond: MIN_BOND,
    }
}

impl World {
    /// A chain with the program and one market of a classic mint.
    pub(crate) fn new() -> Self {
        let mut world = Self::without_market();
        world.market = world.open_market(CLASSIC);
        world
    }

    /// A chain with the program only.
    pub(crate) fn without_market() -> Self {
        let so = concat!(env!("CARGO_MANIFEST_DIR"), "/artifact/pinaivu.so");
        let mut svm = LiteSVM::new().with_mainnet_features().with_transaction_history(0);
        svm.add_program_from_file(pinaivu::ID, so).expect("the committed program");
        let mut world = Self {
            svm,
            payer: Keypair::new_from_array([1; 32]),
            deployer: Keypair::new_from_array([2; 32]),
            governance: Keypair::new_from_array([3; 32]),
            market: Market::of(Pubkey::default(), CLASSIC),
            donations: HashMap::new(),
            minted: HashMap::new(),
            seeds: 0,
        };
        world.set_upgrade_authority(Some(world.deployer.pubkey()));
        for key in [world.payer.pubkey(), world.deployer.pubkey()] {
            world.svm.airdrop(&key, 1_000_000_000_000).unwrap();
        }
        world.set_clock(10_000, 1_700_000_000);
        world
    }

    /// The same chain again, to try something that must leave no trace.
    pub(crate) fn fork(&self) -> Self {
        Self {
            svm: self.svm.clone(),
            payer: self.payer.insecure_clone(),
            deployer: self.deployer.insecure_clone(),
            governance: self.governance.insecure_clone(),
            market: self.market,
            donations: self.donations.clone(),
            minted: self.minted.clone(),
            seeds: self.seeds,
        }
    }

    /// A key nobody has had before.
    pub(crate) fn key(&mut self) -> Keypair {
        self.seeds += 1;
        let mut seed = [0; 32];
        seed[..2].copy_from_slice(&self.seeds.to_le_bytes());
        Keypair::new_from_array(seed)
    }

    /// Opens a market for a new mint.
    pub(crate) fn open_market(&mut self, token_program: Pubkey) -> Market {
        let mint = self.mint(token_program, 6);
        let market = Market::of(mint, token_program);
        let open = self.market_initialize(&market, rules(self.governance.pubkey()));
        let deployer = self.deployer.insecure_clone();
        self.ok(&open, &[&deployer]);
        market
    }

    /// Someone with `amount` tokens of the usual market.
    pub(crate) fn actor(&mut self, amount: u64) -> Actor {
        self.actor_in(self.market, amount)
    }

    /// Someone with `amount` tokens of a market.
    pub(crate) fn actor_in(&mut self, market: Market, amount: u64) -> Actor {
        let key = self.key();
        self.svm.airdrop(&key.pubkey(), 1_000_000_000).unwrap();
        let tokens = self.token_account(&market, &key.pubkey(), amount);
        Actor { key, tokens }
    }

    /// A registered coordinator with exactly the market's minimum bond.
    pub(crate) fn coordinator(&mut self) -> Coordinator {
        self.coordinator_in(self.market)
    }

    /// The same in a market.
    pub(crate) fn coordinator_in(&mut self, market: Market) -> Coordinator {
        let authority = self.actor_in(market, MIN_BOND);
        let signer = self.key();
        let slot = self.slot();
        let (address, register) =
            self.coordinator_register(&market, &authority.address(), &signer.pubkey(), slot, FEE);
        self.ok(&register, &[&authority.key, &signer]);
        let coordinator = Coordinator { address, authority, signer };
        let bond = self.coordinator_bond(&market, &coordinator, 0, MIN_BOND);
        self.ok(&bond, &[&coordinator.authority.key]);
        coordinator
    }

    /// A registered node without stake.
    pub(crate) fn node(&mut self) -> Node {
        self.node_in(self.market)
    }

    /// The same in a market.
    pub(crate) fn node_in(&mut self, market: Market) -> Node {
        let operator = self.actor_in(market, 0);
        let payout_owner = self.actor_in(market, 0);
        let signer = self.key();
        let slot = self.slot();
        let (address, register) = self.node_register(
            &market,
            &operator.address(),
            &signer.pubkey(),
            &payout_owner.address(),
            slot,
        );
        self.ok(&register, &[&operator.key, &signer]);
        Node { address, operator, signer, payout_owner }
    }

    /// An open payout.
    pub(crate) fn payout(&mut self, coordinator: &Coordinator, node: &Node) -> Pubkey {
        let market = self.market;
        let (payout, open) = self.payout_open(&market, &coordinator.address, &node.address);
        self.ok(&open, &[]);
        payout
    }

    /// An escrow with `amount` in it, taken from the owner's tokens.
    pub(crate) fn escrow(&mut self, owner: &Actor, amount: u64) -> Pubkey {
        self.escrow_in(self.market, owner, amount)
    }

    /// The same in a market.
    pub(crate) fn escrow_in(&mut self, market: Market, owner: &Actor, amount: u64) -> Pubkey {
        let slot = self.slot();
        let (escrow, open) = self.escrow_open(&market, &owner.address(), slot);
        self.ok(&open, &[&owner.key]);
        if amount > 0 {
            let deposit = self.escrow_deposit(&market, &escrow, owner, amount);
            self.ok(&deposit, &[&owner.key]);
        }
        escrow
    }

    /// An allowance of `amount` that expires in an hour.
    pub(crate) fn allowance(
        &mut self,
        owner: &Actor,
        escrow: &Pubkey,
        coordinator: &Coordinator,
        amount: u64,
    ) -> Pubkey {
        let (slot, expiry) = (self.slot(), self.time() + 3_600);
        let market = self.market;
        let (allowance, open) = self.allowance_open(
            &market,
            &owner.address(),
            escrow,
            &coordinator.address,
            slot,
            amount,
            expiry,
        );
        self.ok(&open, &[&owner.key]);
        allowance
    }

    /// Runs instructions in one transaction and lets the oracle check what came of it.
    pub(crate) fn send(
        &mut self,
        instructions: &[Instruction],
        signers: &[&Keypair],
    ) -> Result<TransactionMetadata, FailedTransactionMetadata> {
        let result = self.send_unchecked(instructions, signers);
        self.check();
        result
    }

    /// The same without the oracle, for worlds that a test has put out of order.
    pub(crate) fn send_unchecked(
        &mut self,
        instructions: &[Instruction],
        signers: &[&Keypair],
    ) -> Result<TransactionMetadata, FailedTransactionMetadata> {
        self.svm.expire_blockhash();
        let mut keys = vec![&self.payer];
        for signer in signers {
            if keys.iter().all(|key| key.pubkey() != signer.pubkey()) {
                keys.push(signer);
            }
        }
        let message = Message::new(instructions, Some(&self.payer.pubkey()));
        let mut transaction = Transaction::new_unsigned(message);
        transaction
            .try_sign(&keys, self.svm.latest_blockhash())
            .expect("a key for every signer of the message");
        self.svm.send_transaction(transaction)
    }

    /// Runs one instruction that must succeed.
    #[track_caller]
    pub(crate) fn ok(
        &mut self,
        instruction: &Instruction,
        signers: &[&Keypair],
    ) -> TransactionMetadata {
        match self.send(std::slice::from_ref(instruction), signers) {
            Ok(meta) => meta,
            Err(failure) => panic!("{:?}\n{}", failure.err, failure.meta.pretty_logs()),
        }
    }

    /// Runs one instruction that must be refused with this error.
    #[track_caller]
    pub(crate) fn fails(
        &mut self,
        instruction: &Instruction,
        signers: &[&Keypair],
        expected: impl Into<Refusal>,
    ) {
        let Refusal(expected) = expected.into();
        match self.send(std::slice::from_ref(instruction), signers) {
            Ok(_) => panic!("succeeded instead of {expected}"),
            Err(failure) => {
                assert_eq!(refusal(&failure), expected, "{}", failure.meta.pretty_logs());
            }
        }
    }

    /// An account of the program, decoded.
    #[track_caller]
    pub(crate) fn read<T: AccountDeserialize>(&self, address: &Pubkey) -> T {
        let account = self.svm.get_account(address).expect("the account exists");
        assert_eq!(account.owner, pinaivu::ID);
        T::try_deserialize(&mut account.data.as_slice()).expect("the account decodes")
    }

    /// Whether an account is there.
    pub(crate) fn exists(&self, address: &Pubkey) -> bool {
        self.svm.get_account(address).is_some_and(|account| account.lamports > 0)
    }

    /// Slot of the cluster's clock.
    pub(crate) fn slot(&self) -> u64 {
        self.svm.get_sysvar::<Clock>().slot
    }

    /// Time of the cluster's clock.
    pub(crate) fn time(&self) -> i64 {
        self.svm.get_sysvar::<Clock>().unix_timestamp
    }

    /// Sets both of the cluster's clocks.
    pub(crate) fn set_clock(&mut self, slot: u64, time: i64) {
        let mut clock = self.svm.get_sysvar::<Clock>();
        clock.slot = slot;
        clock.unix_timestamp = time;
        self.svm.set_sysvar(&clock);
    }

    /// Lets slots and seconds pass.
    pub(crate) fn pass(&mut self, slots: u64, seconds: u64) {
        let time = self.time() + i64::try_from(seconds).unwrap();
        self.set_clock(self.slot() + slots, time);
    }

    /// Makes someone, or nobody, the program's upgrade authority.
    pub(crate) fn set_upgrade_authority(&mut self, authority: Option<Pubkey>) {
        let address = program_data();
        let mut account = self.svm.get_account(&address).unwrap();
        // bincode of the loader's state: u32 tag, u64 slot, Option<Pubkey>.
        account.data[12] = u8::from(authority.is_some());
        account.data[13..45].copy_from_slice(&authority.unwrap_or_default().to_bytes());
        self.svm.set_account(address, account).unwrap();
    }

    /// Overwrites an account, for states that no instruction leads to.
    pub(crate) fn set_account(&mut self, address: Pubkey, account: Account) {
        self.svm.set_account(address, account).unwrap();
    }
}

/// Where the program's bytes and upgrade authority are.
pub(crate) fn program_data() -> Pubkey {
    Pubkey::find_program_address(&[pinaivu::ID.as_ref()], &LOADER).0
}

/// What an instruction is expected to be refused with, as the runtime reports it: `Custom(6004)`, or
/// the name of one of its own errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal(String);

impl From<PinaivuError> for Refusal {
    fn from(error: PinaivuError) -> Self {
        custom(u32::from(error))
    }
}

impl From<ErrorCode> for Refusal {
    fn from(error: ErrorCode) -> Self {
        custom(u32::from(error))
    }
}

impl From<&str> for Refusal {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

/// An error code of any program.
pub(crate) fn custom(code: u32) -> Refusal {
    Refusal(format!("Custom({code})"))
}

/// The system program's answer when an account to be created exists.
pub(crate) const ALREADY_IN_USE: u32 = 0;

/// The token program's answer when the balance is too small.
pub(crate) const INSUFFICIENT_TOKENS: u32 = 1;

/// The token program's answer when the mints differ.
pub(crate) const MINT_MISMATCH: u32 = 3;

/// The token program's answer when the signer may not spend.
pub(crate) const OWNER_MISMATCH: u32 = 4;

/// What the runtime says of a refused transaction, without the instruction's index. The runtime's own
/// error types are not dependencies here; their `Debug` text is their name.
pub(crate) fn refusal(failure: &FailedTransactionMetadata) -> String {
    let text = format!("{:?}", failure.err);
    let inner = text.strip_prefix("InstructionError(").and_then(|rest| rest.strip_suffix(')'));
    match inner.and_then(|inner| inner.split_once(", ")) {
        Some((_, error)) => error.to_owned(),
        None => text,
    }
}

/// The events of one kind that a transaction emitted, in order.
pub(crate) fn events<T: AnchorDeserialize + Discriminator>(meta: &TransactionMetadata) -> Vec<T> {
    let payloads = meta.logs.iter().filter_map(|line| line.strip_prefix("Program data: "));
    payloads
        .map(|text| base64::engine::general_purpose::STANDARD.decode(text).unwrap())
        .filter_map(|bytes| {
            let mut body = bytes.strip_prefix(T::DISCRIMINATOR)?;
            Some(T::deserialize(&mut body).unwrap())
        })
        .collect()
}

/// The only event of a kind that a transaction emitted.
#[track_caller]
pub(crate) fn event<T: AnchorDeserialize + Discriminator>(meta: &TransactionMetadata) -> T {
    let mut all = events(meta);
    assert_eq!(all.len(), 1, "events of this kind");
    all.remove(0)
}
