//! What instructions cost: compute units, bytes on the wire and accounts, and how many users and nodes
//! one settlement transaction takes. `costs.md` holds the figures; `cargo xtask program cu` writes it.
//!
//! The figures are of the committed program. Another compiler's differ; the ones that matter to users,
//! how many fit and what that costs, have limits here.

use std::fmt::Write as _;

use solana_account::Account;
use solana_compute_budget_interface::ComputeBudgetInstruction;
use solana_instruction::Instruction;
use solana_message::{AddressLookupTableAccount, Message, VersionedMessage, v0};
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;
use solana_transaction::versioned::VersionedTransaction;

use crate::harness::*;
use crate::hostile::{Idl, Stage, said};
use crate::instructions::ALL;

/// Bytes of the largest transaction.
const PACKET: usize = 1_232;

/// Accounts that one transaction may lock.
const LOCKS: usize = 64;

/// Lamports for a signature.
const SIGNATURE: u64 = 5_000;

/// Compute units that one instruction gets unless a transaction asks for more.
const DEFAULT_UNITS: u64 = 200_000;

/// What settling one user and one node may cost together, in lamports.
const GOAL: f64 = 200.0;

/// Bytes of a transaction that `payer` pays for, with its signatures.
fn bytes(message: &VersionedMessage) -> usize {
    1 + 64 * usize::from(message.header().num_required_signatures) + message.serialize().len()
}

fn each() -> String {
    let (stage, idl) = (Stage::new(), Idl::read());
    let mut table = String::from(
        "| instruction | compute units | bytes | signatures | accounts | written |\n\
         |---|---:|---:|---:|---:|---:|\n",
    );
    for (name, case) in ALL {
        let case = case(&stage);
        let instructions = case.transaction(std::slice::from_ref(&case.instruction));
        let outcome = stage.attempt(&mut stage.world.fork(), &instructions);
        assert_eq!(said(&outcome), "accepted", "{name}");
        let units = outcome.unwrap().compute_units_consumed;
        let own = instructions.last().unwrap();
        let slots = &idl.instructions[*name];
        // Whoever signs first pays: mostly the same key signs and pays.
        let payer = own.accounts.iter().find(|meta| meta.is_signer);
        let payer = payer.map_or(stage.world.payer.pubkey(), |meta| meta.pubkey);
        let message = VersionedMessage::Legacy(Message::new(&instructions, Some(&payer)));
        let (size, signatures) = (bytes(&message), message.header().num_required_signatures);
        assert!(size <= PACKET, "{name} takes {size} bytes");
        assert!(units <= DEFAULT_UNITS, "{name} takes {units} compute units");
        let written = own.accounts.iter().filter(|meta| meta.is_writable).count();
        let accounts = own.accounts.len();
        assert!(accounts >= slots.len());
        writeln!(table, "| `{name}` | {units} | {size} | {signatures} | {accounts} | {written} |")
            .unwrap();
    }
    table
}

/// A coordinator with many users and nodes to settle at once.
struct Crowd {
    world: World,
    coordinator: Coordinator,
    allowances: Vec<Pubkey>,
    payouts: Vec<Pubkey>,
    table: AddressLookupTableAccount,
}

impl Crowd {
    fn new() -> Self {
        let mut world = World::new();
        let alice = world.actor(100_000);
        let escrow = world.escrow(&alice, 100_000);
        let coordinator = world.coordinator();
        let mut allowances = Vec::new();
        for _ in 0..LOCKS {
            world.pass(1, 0);
            allowances.push(world.allowance(&alice, &escrow, &coordinator, 100));
        }
        let payouts: Vec<Pubkey> = (0..LOCKS)
            .map(|_| {
                let node = world.node();
                world.payout(&coordinator, &node)
            })
            .collect();
        let key = world.address();
        let shared = [coordinator.address, world.market.address];
        let addresses = [shared.as_slice(), &allowances, &payouts].concat();
        world.set_account(key, lookup_table(&addresses));
        world.pass(1, 0);
        world.svm.airdrop(&coordinator.signer.pubkey(), 1_000_000_000).unwrap();
        let table = AddressLookupTableAccount { key, addresses };
        Self { world, coordinator, allowances, payouts, table }
    }

    fn debit(&self, count: usize, cumulative: u64) -> Instruction {
        let entries: Vec<_> =
            self.allowances.iter().take(count).map(|address| (*address, cumulative)).collect();
        self.world.debit(&self.coordinator, &entries)
    }

    fn credit(&self, count: usize, cumulative: u64) -> Instruction {
        let entries: Vec<_> =
            self.payouts.iter().take(count).map(|address| (*address, cumulative)).collect();
        self.world.credit(&self.world.market, &self.coordinator, &entries, 0)
    }

    /// The transaction of one instruction, with a compute limit, by lookup table where that is wanted.
    fn message(&self, instruction: Instruction, with_table: bool) -> VersionedMessage {
        let limit = ComputeBudgetInstruction::set_compute_unit_limit(1_400_000);
        let payer = self.coordinator.signer.pubkey();
        let instructions = [limit, instruction];
        let blockhash = self.world.svm.latest_blockhash();
        if with_table {
            let tables = std::slice::from_ref(&self.table);
            let message = v0::Message::try_compile(&payer, &instructions, tables, blockhash);
            VersionedMessage::V0(message.unwrap())
        } else {
            let message = Message::new_with_blockhash(&instructions, Some(&payer), &blockhash);
            VersionedMessage::Legacy(message)
        }
    }

    fn fits(&self, message: &VersionedMessage) -> bool {
        let looked_up = message.address_table_lookups().unwrap_or_default();
        let looked_up =
            looked_up.iter().map(|it| it.writable_indexes.len() + it.readonly_indexes.len());
        let locks = message.static_account_keys().len() + looked_up.sum::<usize>();
        bytes(message) <= PACKET && locks <= LOCKS
    }

    /// The most entries of one transaction that succeeds, and what it took.
    fn most(&self, build: fn(&Self, usize, u64) -> Instruction, with_table: bool) -> Settled {
        let signer = &self.coordinator.signer;
        let run = |entries: &usize| {
            let message = self.message(build(self, *entries, 1), with_table);
            let bytes = bytes(&message);
            let fits = self.fits(&message);
            let transaction = VersionedTransaction::try_new(message, &[signer]).unwrap();
            let mut world = self.world.fork();
            let result = fits.then(|| world.svm.send_transaction(transaction))?;
            let units = result.ok()?.compute_units_consumed;
            Some(Settled { entries: *entries, bytes, units })
        };
        (1..=LOCKS).rev().find_map(|entries| run(&entries)).unwrap()
    }
}

struct Settled {
    entries: usize,
    bytes: usize,
    units: u64,
}

impl Settled {
    fn lamports(&self) -> f64 {
        SIGNATURE as f64 / self.entries as f64
    }
}

/// An address lookup table as its program writes it: 56 bytes of state, then the addresses.
fn lookup_table(addresses: &[Pubkey]) -> Account {
    let mut data = Vec::new();
    data.extend(1_u32.to_le_bytes());
    data.extend(u64::MAX.to_le_bytes());
    data.extend([0; 8 + 1 + 1 + 32 + 2]);
    assert_eq!(data.len(), 56);
    data.extend(addresses.iter().flat_map(|address| address.to_bytes()));
    Account {
        lamports: 100_000_000,
        data,
        owner: Pubkey::from_str_const("AddressLookupTab1e1111111111111111111111111"),
        executable: false,
        rent_epoch: u64::MAX,
    }
}

fn settlements() -> String {
    let mut table = String::from(
        "| transaction | entries | bytes | compute units | lamports for an entry |\n\
         |---|---:|---:|---:|---:|\n",
    );
    let mut goal = 0.0;
    for with_table in [false, true] {
        let crowd = Crowd::new();
        let kind = if with_table { "with a lookup table" } else { "without" };
        let debit = crowd.most(Crowd::debit, with_table);
        let credit = crowd.most(Crowd::credit, with_table);
        for (name, it) in [("debit", &debit), ("credit", &credit)] {
            let Settled { entries, bytes, units } = it;
            let lamports = it.lamports();
            writeln!(table, "| `{name}`, {kind} | {entries} | {bytes} | {units} | {lamports:.0} |")
                .unwrap();
        }
        goal = debit.lamports() + credit.lamports();
    }
    assert!(goal <= GOAL, "a user and a node cost {goal:.0} lamports together");
    writeln!(table, "\nA user and a node together: **{goal:.0} lamports** with a lookup table.")
        .unwrap();
    table
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "cargo xtask program cu asks for a new table this way"
)]
fn costs_are_the_committed_ones() {
    let root = env!("CARGO_MANIFEST_DIR");
    let program = std::fs::metadata(format!("{root}/artifact/pinaivu.so")).unwrap().len();
    let text = format!(
        "# What the program costs\n\n\
         Measured on the committed program by `cargo xtask program cu`; a test keeps this file true. \
         Solana's own compiler gives other figures.\n\n\
         Program: {program} bytes.\n\n\
         ## Instructions\n\n\
         The instruction alone, legacy format, with everything its transaction needs. Fees are 5,000 \
         lamports a signature.\n\n{}\n\
         ## Settlement\n\n\
         The most entries of one transaction: {PACKET} bytes and {LOCKS} accounts. A lookup table is \
         made once, for 5,000 lamports a transaction of about thirty addresses and a deposit that \
         comes back.\n\n{}",
        each(),
        settlements()
    );
    let path = format!("{root}/costs.md");
    if std::env::var_os("PINAIVU_WRITE_COSTS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == text, "costs changed: run cargo xtask program cu\n{text}");
}
