//! One builder per instruction, with the accounts that are right for it.

mod coordinator;
mod escrow;
mod market;
mod node;
mod settlement;

pub(crate) use escrow::{Parties, close_between, exit_between, raise_between};

use anchor_lang::{InstructionData, ToAccountMetas};
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

/// The program-derived address of some seeds.
pub(crate) fn find(seeds: &[&[u8]]) -> Pubkey {
    Pubkey::find_program_address(seeds, &pinaivu::ID).0
}

fn build(accounts: impl ToAccountMetas, data: impl InstructionData) -> Instruction {
    Instruction {
        program_id: pinaivu::ID,
        accounts: accounts.to_account_metas(None),
        data: data.data(),
    }
}

const SYSTEM: Pubkey = anchor_lang::system_program::ID;

/// What `log_extend` is given.
#[derive(Clone, Debug)]
pub(crate) struct Extension {
    pub(crate) epoch: u32,
    pub(crate) old_size: u64,
    pub(crate) new_size: u64,
    pub(crate) hashes: Vec<[u8; 32]>,
    pub(crate) expected_root: [u8; 32],
}
