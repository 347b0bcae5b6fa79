//! One instruction that succeeds on the [`Stage`], and which of its accounts may be others.

use solana_instruction::Instruction;

use super::idl::{Idl, Slot};
use super::stage::Stage;

/// Makes an instruction's case.
pub(crate) type Make = fn(&Stage) -> Case;

/// What every hostile test of an instruction starts from. Nothing else may be accepted than what is
/// listed here.
pub(crate) struct Case {
    pub(crate) instruction: Instruction,
    /// What goes before it in the same transaction.
    before: Option<Instruction>,
    /// Accounts whose place others may take: by account name those of the stage that may, or none
    /// for anybody who is there.
    others: Vec<(&'static str, Option<&'static [&'static str]>)>,
    again: Again,
    gifts: bool,
}

/// What the same instruction does when it comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// It is refused.
    Refused,
    /// It is accepted and no balance, cumulative or log changes.
    Idle,
    /// It does the same once more: more money of the same person moves the same way.
    Repeats,
}

impl Case {
    /// An instruction that is refused when it comes again.
    pub(crate) fn of(instruction: Instruction) -> Self {
        Self { instruction, before: None, others: Vec::new(), again: Again::Refused, gifts: false }
    }

    /// This goes before it in the same transaction, as the first instruction.
    pub(crate) fn after(mut self, before: &Instruction) -> Self {
        self.before = Some(before.clone());
        self
    }

    /// A transaction with `instructions` in place of this one.
    pub(crate) fn transaction(&self, instructions: &[Instruction]) -> Vec<Instruction> {
        self.before.iter().chain(instructions).cloned().collect()
    }

    /// What it does when it comes again.
    pub(crate) fn again(mut self, again: Again) -> Self {
        self.again = again;
        self
    }

    /// Anybody's account may take this place.
    pub(crate) fn anyone(mut self, account: &'static str) -> Self {
        self.others.push((account, None));
        self
    }

    /// These may take this place.
    pub(crate) fn also(mut self, account: &'static str, others: &'static [&'static str]) -> Self {
        self.others.push((account, Some(others)));
        self
    }

    /// Its signer may choose to give money to a vault, as anybody can.
    pub(crate) fn gifts(mut self) -> Self {
        self.gifts = true;
        self
    }

    pub(crate) fn may_give(&self) -> bool {
        self.gifts
    }

    pub(crate) fn comes_again(&self) -> Again {
        self.again
    }

    /// Whether the account called `name` may take the place of `account`.
    pub(crate) fn admits(&self, account: &str, name: &str) -> bool {
        self.others.iter().any(|(place, others)| {
            *place == account && others.is_none_or(|others| others.contains(&name))
        })
    }

    /// Every place and name that must be accepted; a name of none stands for someone.
    pub(crate) fn admitted(&self) -> Vec<(&'static str, Option<&'static str>)> {
        let each = |(place, others): &(&'static str, Option<&'static [&'static str]>)| match others
        {
            None => vec![(*place, None)],
            Some(others) => others.iter().map(|other| (*place, Some(*other))).collect(),
        };
        self.others.iter().flat_map(each).collect()
    }

    /// The accounts by name: the IDL's, then the entries.
    pub(crate) fn slots(&self, idl: &Idl, name: &str) -> Vec<Slot> {
        let mut slots = idl.instructions.get(name).expect("the IDL knows it").clone();
        for meta in self.instruction.accounts.iter().skip(slots.len()) {
            slots.push(Slot {
                name: "entry".to_owned(),
                signer: meta.is_signer,
                writable: meta.is_writable,
                optional: false,
                address: None,
            });
        }
        slots
    }
}
