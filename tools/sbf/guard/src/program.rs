//! The program: instruction data is a kind's number and a seed, return data the result, both
//! little-endian.

use solana_account_info::AccountInfo;
use solana_program_error::{ProgramError, ProgramResult};
use solana_pubkey::Pubkey;

use crate::{Kind, compute};

solana_program_entrypoint::entrypoint!(process);

fn process(_program: &Pubkey, _accounts: &[AccountInfo], data: &[u8]) -> ProgramResult {
    let (number, seed) = data.split_first().ok_or(ProgramError::InvalidInstructionData)?;
    let kind = Kind::ALL.get(usize::from(*number)).ok_or(ProgramError::InvalidInstructionData)?;
    let seed = seed.try_into().map_err(|_| ProgramError::InvalidInstructionData)?;
    let result = compute(*kind, u64::from_le_bytes(seed));
    solana_cpi::set_return_data(&result.to_le_bytes());
    Ok(())
}
