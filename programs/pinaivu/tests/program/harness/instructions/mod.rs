//! One builder per instruction, with the accounts that are right for it.

mod coordinator;
mod escrow;
mod evidence;
mod guarantee;
mod market;
mod node;
mod settlement;

pub(crate) use escrow::{Parties, close_between, exit_between, raise_between};

use anchor_lang::{InstructionData, ToAccountMetas};
use pinaivu_protocol::seeds;
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use super::Market;

/// The program-derived address of some seeds.
pub(crate) fn find(seeds: &[&[u8]]) -> Pubkey {
    Pubkey::find_program_address(seeds, &pinaivu::ID).0
}

/// Where an owner's tokens of a mint usually are.
pub(crate) fn deposit_account(owner: &Pubkey, mint: &Pubkey, token_program: &Pubkey) -> Pubkey {
    let program = Pubkey::from_str_const("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL");
    let seeds = [owner.as_ref(), token_program.as_ref(), mint.as_ref()];
    Pubkey::find_program_address(&seeds, &program).0
}

/// Where the record of a retired key is.
pub(crate) fn retired_signer(account: &Pubkey, signer: &Pubkey) -> Pubkey {
    find(&[seeds::RETIRED_SIGNER, account.as_ref(), signer.as_ref()])
}

/// Where a measurement is on the list; none for no measurement.
pub(crate) fn measurement_entry(market: &Market, measurement: &[u8; 32]) -> Option<Pubkey> {
    let address = find(&[seeds::MEASUREMENT, market.address.as_ref(), measurement]);
    (*measurement != [0; 32]).then_some(address)
}

/// An instruction of the program.
pub(crate) fn build(accounts: impl ToAccountMetas, data: impl InstructionData) -> Instruction {
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
