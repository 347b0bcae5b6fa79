//! The ledger's actions as instructions, with accounts as the ledger knows them, so that also what is
//! closed can be tried.

mod evidence;
pub(super) mod governance;
mod guarantees;
mod operators;
mod signatures;
mod users;

use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use super::action::Action;
use super::ledger::*;
use crate::harness::{Actor, Market, World, deposit_account};

/// The chain beside the ledger.
pub(super) struct Chain {
    pub(super) world: World,
    pub(super) sponsor: Pubkey,
    /// The ledger's people, in order.
    pub(super) people: Vec<Actor>,
    /// The ledger's hot keys, in order.
    pub(super) keys: Vec<Keypair>,
    /// Another mint, whose tokens stray; it has no market at first.
    pub(super) second: Market,
    /// Where they come back to.
    pub(super) second_wallet: Pubkey,
}

/// Nothing is opened.
fn none(instruction: Instruction) -> (Pubkey, Instruction) {
    (Pubkey::default(), instruction)
}

impl Chain {
    /// The same again.
    pub(super) fn fork(&self) -> Self {
        let actor = |it: &Actor| Actor { key: it.key.insecure_clone(), tokens: it.tokens };
        Self {
            world: self.world.fork(),
            sponsor: self.sponsor,
            people: self.people.iter().map(actor).collect(),
            keys: self.keys.iter().map(Keypair::insecure_clone).collect(),
            second: self.second,
            second_wallet: self.second_wallet,
        }
    }

    /// The instruction, and the address of what it opens if it opens something.
    pub(super) fn build(&self, ledger: &Ledger, action: &Action) -> (Pubkey, Instruction) {
        let of_group = [
            Self::build_market,
            Self::build_user,
            Self::build_node,
            Self::build_coordinator,
            Self::build_settlement,
            Self::build_guarantee,
            Self::build_evidence,
            Self::build_report,
        ];
        let built = of_group.iter().find_map(|build| build(self, ledger, action));
        built.unwrap_or_else(|| panic!("nobody builds {action:?}"))
    }

    /// A coordinator that these people speak for, rightly or not.
    fn coordinator_as(
        &self,
        ledger: &Ledger,
        id: Id,
        cold: Id,
        hot: Id,
    ) -> crate::harness::Coordinator {
        let authority = &self.people[cold];
        let authority = Actor { key: authority.key.insecure_clone(), tokens: authority.tokens };
        let address = ledger.coordinators[id].address;
        crate::harness::Coordinator { address, authority, signer: self.keys[hot].insecure_clone() }
    }

    /// Where an escrow's deposits of the market's mint, or of the other, arrive.
    pub(super) fn deposits(&self, escrow: &Pubkey, other_mint: bool) -> Pubkey {
        let market = if other_mint { &self.second } else { &self.world.market };
        deposit_account(escrow, &market.mint, &market.token_program)
    }

    /// Who pays every rent.
    fn rent_payer(&self) -> Pubkey {
        self.world.payer.pubkey()
    }
}
