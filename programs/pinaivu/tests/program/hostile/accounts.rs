//! Every account of an instruction, tampered with: left unsigned, made read-only, left out, given
//! twice, replaced by every other of its kind, by accounts of other kinds, by a copy that another
//! program made, by a program-derived address of another bump, by nothing.
//!
//! Each attempt must be refused and leave no trace, unless the case says that this very account may
//! take the place; the snapshot says with which error.

use std::collections::{BTreeMap, BTreeSet};

use anchor_lang::Discriminator as _;
use solana_account::Account;
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use super::case::{Case, Make};
use super::idl::{Idl, Slot};
use super::stage::{Stage, said};
use crate::harness::*;

/// What an account is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Of this program, by the IDL's name.
    Own(String),
    Tokens,
    Mint,
    Program,
    /// A wallet or an address with nothing at it.
    Plain,
    /// Everything else, the program's data for one.
    Foreign,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Own(name) => f.write_str(name),
            Self::Tokens => f.write_str("token account"),
            Self::Mint => f.write_str("mint"),
            Self::Program => f.write_str("program"),
            Self::Plain => f.write_str("wallet"),
            Self::Foreign => f.write_str("foreign account"),
        }
    }
}

impl Kind {
    fn of(world: &World, idl: &Idl, address: &Pubkey) -> Self {
        let Some(account) = world.svm.get_account(address) else { return Self::Plain };
        if account.executable {
            return Self::Program;
        }
        let token_program = [CLASSIC, TOKEN_2022].contains(&account.owner);
        match account.data.len() {
            165 if token_program => Self::Tokens,
            82 if token_program => Self::Mint,
            0 => Self::Plain,
            _ if account.owner == pinaivu::ID => {
                let kind = idl.kinds.iter().find(|(_, mark)| account.data.starts_with(mark));
                Self::Own(kind.expect("a kind in the IDL").0.clone())
            }
            _ => Self::Foreign,
        }
    }
}

/// One way to tamper.
struct Attempt {
    /// How the snapshot calls it.
    label: String,
    /// What a case that admits it calls it: the account's name where there is one, else the label.
    other: String,
    instruction: Instruction,
    /// An account that someone made for this.
    made: Option<(Pubkey, Account)>,
}

/// Everything that can be tried with one instruction on the stage.
struct Tampering<'a> {
    stage: &'a Stage,
    idl: &'a Idl,
    case: &'a Case,
}

impl Tampering<'_> {
    fn attempts(&self, index: usize, slot: &Slot) -> Vec<Attempt> {
        let mut attempts = Vec::new();
        let meta = &self.case.instruction.accounts[index];
        if slot.signer {
            attempts.push(self.changed("unsigned", |it| it.accounts[index].is_signer = false));
        }
        if slot.writable {
            attempts.push(self.changed("read-only", |it| it.accounts[index].is_writable = false));
        }
        if slot.optional {
            attempts.push(self.replaced("left out", index, pinaivu::ID));
        }
        attempts.push(self.replaced("nothing there", index, Pubkey::new_from_array([0xab; 32])));
        let kind = Kind::of(&self.stage.world, self.idl, &meta.pubkey);
        attempts.extend(self.of_its_kind(index, &kind));
        if matches!(kind, Kind::Own(_) | Kind::Tokens | Kind::Mint) {
            attempts.push(self.copied(index));
        }
        attempts
    }

    fn changed(&self, label: &str, change: impl FnOnce(&mut Instruction)) -> Attempt {
        let mut instruction = self.case.instruction.clone();
        change(&mut instruction);
        Attempt { label: label.to_owned(), other: label.to_owned(), instruction, made: None }
    }

    fn replaced(&self, label: &str, index: usize, address: Pubkey) -> Attempt {
        self.changed(label, |it| it.accounts[index].pubkey = address)
    }

    /// Every named account of the same kind, and one of every other kind.
    fn of_its_kind(&self, index: usize, kind: &Kind) -> Vec<Attempt> {
        let own = self.case.instruction.accounts[index].pubkey;
        let (mut attempts, mut seen) = (Vec::new(), BTreeSet::new());
        for (name, address) in self.stage.named() {
            let other = Kind::of(&self.stage.world, self.idl, address);
            if *address == own {
                continue;
            }
            let twin = other == *kind;
            if twin || seen.insert(other.clone()) {
                let label = if twin { name.to_owned() } else { format!("a {other}") };
                let attempt = self.replaced(&label, index, *address);
                attempts.push(Attempt { other: name.to_owned(), ..attempt });
            }
        }
        attempts
    }

    /// The same bytes at another address, made by another program.
    fn copied(&self, index: usize) -> Attempt {
        let (from, address) =
            (self.case.instruction.accounts[index].pubkey, Pubkey::new_from_array([0xac; 32]));
        let mut account = self.stage.world.svm.get_account(&from).unwrap();
        account.owner = Pubkey::new_from_array([0xad; 32]);
        let attempt = self.replaced("a copy of another program", index, address);
        Attempt { made: Some((address, account)), ..attempt }
    }

    /// The same account in two places that are both written.
    fn doubled(&self, slots: &[Slot]) -> Vec<Attempt> {
        let metas = &self.case.instruction.accounts;
        let kind = |index: usize| Kind::of(&self.stage.world, self.idl, &metas[index].pubkey);
        let mut attempts = Vec::new();
        for (one, first) in slots.iter().enumerate() {
            for (two, second) in slots.iter().enumerate().skip(one + 1) {
                let written = first.writable && second.writable;
                if written && kind(one) == kind(two) {
                    for (here, there) in [(one, two), (two, one)] {
                        let label = format!("{} given as {}", slots[there].name, slots[here].name);
                        let attempt = self.replaced(&label, here, metas[there].pubkey);
                        attempts.push(attempt);
                    }
                }
            }
        }
        attempts
    }
}

/// Most names that a line of the snapshot spells out.
const SPELT_OUT: usize = 9;

/// The labels of one outcome, or how many there are.
fn listed(labels: &[String]) -> String {
    match labels.split_at_checked(SPELT_OUT) {
        Some((first, rest)) if !rest.is_empty() => {
            format!("{} and {} more", first.join(", "), rest.len())
        }
        _ => labels.join(", "),
    }
}

/// Tries everything; gives what became of it, a line for each place and outcome.
pub(crate) fn tamper(name: &str, case: Make) -> String {
    let (stage, idl) = (Stage::new(), Idl::read());
    let case = case(&stage);
    let slots = case.slots(&idl, name);
    assert_eq!(case.instruction.accounts.len(), slots.len(), "accounts of {name}");
    let accepted = stage.attempt(
        &mut stage.world.fork(),
        &case.transaction(std::slice::from_ref(&case.instruction)),
    );
    assert_eq!(said(&accepted), "accepted", "{accepted:?}");

    let tampering = Tampering { stage: &stage, idl: &idl, case: &case };
    let mut report = String::new();
    let mut world = stage.world.fork();
    world.gifts = case.may_give();
    let mut taken: BTreeSet<(String, String)> = BTreeSet::new();
    let mut try_all = |place: &str, attempts: Vec<Attempt>| {
        let mut outcomes: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for attempt in attempts {
            if let Some((address, account)) = attempt.made {
                world.set_account(address, account);
            }
            let outcome =
                said(&stage.attempt(&mut world, &case.transaction(&[attempt.instruction])));
            if outcome == "accepted" {
                assert!(case.admits(place, &attempt.other), "{name}.{place}: {}", attempt.other);
                taken.insert((place.to_owned(), attempt.other));
                world = stage.world.fork();
                world.gifts = case.may_give();
            }
            outcomes.entry(outcome).or_default().push(attempt.label);
        }
        for (outcome, labels) in outcomes {
            report.push_str(&format!("{place}: {outcome}: {}\n", listed(&labels)));
        }
    };
    for (index, slot) in slots.iter().enumerate() {
        try_all(&slot.name, tampering.attempts(index, slot));
    }
    try_all("two places", tampering.doubled(&slots));
    // An account short, from the last to all; an instruction without its accounts is none.
    let short = (0..slots.len()).rev().map(|count| {
        tampering.changed(&format!("{count} accounts"), |it| it.accounts.truncate(count))
    });
    try_all("too few", short.collect());
    for (place, other) in case.admitted() {
        let used = |(at, by): &(String, String)| at == place && other.is_none_or(|name| name == by);
        assert!(taken.iter().any(used), "{name}.{place} never was {other:?}");
    }
    report
}

/// The kinds in the IDL are the program's, or [`Kind::of`] would mistake one for another.
#[test]
fn kinds_of_accounts_are_told_apart_by_the_programs_own_marks() {
    let kinds = Idl::read().kinds;
    let mark = |name: &str| kinds.iter().find(|(kind, _)| kind == name).unwrap().1;
    assert_eq!(mark("Escrow"), pinaivu::state::Escrow::DISCRIMINATOR);
    assert_eq!(mark("Payout"), pinaivu::state::Payout::DISCRIMINATOR);
    let marks: BTreeSet<_> = kinds.iter().map(|(_, mark)| *mark).collect();
    assert_eq!(marks.len(), kinds.len());
}
