//! Token accounts as bytes: the part of the layout that classic SPL and Token-2022 share.
//!
//! Source: `spl_token_interface::state::Account` (mint 0..32, owner 32..64, amount 64..72 little
//! endian, state at 108) and, for Token-2022, the account-type byte that follows at 165.

use pinaivu_protocol::ids::PublicKey;
use pinaivu_protocol::units::Amount;
use solana_account::Account;
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use crate::accounts::TokenAccount;
use crate::addresses::ToAddress;
use crate::error::{AccountMismatch, ChainError};

/// The Token-2022 program.
pub const TOKEN_2022_PROGRAM: Pubkey =
    Pubkey::from_str_const("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb");

/// The classic SPL token program.
pub const TOKEN_PROGRAM: Pubkey = spl_token_interface::ID;

/// Makes `owner`'s associated token account for `mint` if it does not exist; `payer` signs and pays its
/// rent.
#[must_use]
pub fn create_associated_account(
    payer: &PublicKey,
    owner: &PublicKey,
    mint: &Pubkey,
    token_program: &Pubkey,
) -> Instruction {
    spl_associated_token_account_interface::instruction::create_associated_token_account_idempotent(
        &payer.to_address(),
        &owner.to_address(),
        mint,
        token_program,
    )
}

const BASE_LEN: usize = 165;
const STATE_OFFSET: usize = 108;
const TYPE_ACCOUNT: u8 = 2;

/// Reads a token account.
///
/// # Errors
/// [`ChainError::Account`] when it is not an initialised token account of either program.
pub fn decode(address: Pubkey, account: &Account) -> Result<TokenAccount, ChainError> {
    let mismatch = |reason| ChainError::Account { address, expected: "token", reason };
    if account.owner != TOKEN_PROGRAM && account.owner != TOKEN_2022_PROGRAM {
        return Err(mismatch(AccountMismatch::Owner));
    }
    let data = account.data.as_slice();
    let extended = data.get(BASE_LEN).is_none_or(|kind| *kind == TYPE_ACCOUNT);
    let initialised = data.get(STATE_OFFSET).is_some_and(|state| *state != 0);
    if data.len() < BASE_LEN || !extended || !initialised {
        return Err(mismatch(AccountMismatch::Kind));
    }
    let (Some(mint), Some(owner), Some(amount)) =
        (data.first_chunk::<32>(), chunk::<32>(data, 32), chunk::<8>(data, 64))
    else {
        return Err(mismatch(AccountMismatch::Encoding));
    };
    Ok(TokenAccount {
        address,
        mint: Pubkey::new_from_array(*mint),
        owner: PublicKey(*owner),
        amount: Amount(u64::from_le_bytes(*amount)),
    })
}

fn chunk<const N: usize>(data: &[u8], offset: usize) -> Option<&[u8; N]> {
    data.get(offset..)?.first_chunk()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn account(owner: Pubkey, data: Vec<u8>) -> Account {
        Account { lamports: 1, data, owner, executable: false, rent_epoch: 0 }
    }

    fn bytes(len: usize, state: u8) -> Vec<u8> {
        let mut data = vec![0; len];
        data[..32].copy_from_slice(&[1; 32]);
        data[32..64].copy_from_slice(&[2; 32]);
        data[64..72].copy_from_slice(&7_u64.to_le_bytes());
        data[STATE_OFFSET] = state;
        data
    }

    #[test]
    fn classic_account_decodes_to_its_fields() {
        let address = Pubkey::new_from_array([9; 32]);
        let decoded = decode(address, &account(TOKEN_PROGRAM, bytes(BASE_LEN, 1))).unwrap();
        assert_eq!(
            decoded,
            TokenAccount {
                address,
                mint: Pubkey::new_from_array([1; 32]),
                owner: PublicKey([2; 32]),
                amount: Amount(7),
            }
        );
    }

    #[test]
    fn token_2022_mint_of_extended_length_is_refused_as_another_kind() {
        let mut data = bytes(BASE_LEN + 20, 1);
        data[BASE_LEN] = 1;
        let refused = decode(Pubkey::default(), &account(TOKEN_2022_PROGRAM, data)).unwrap_err();
        assert!(matches!(refused, ChainError::Account { reason: AccountMismatch::Kind, .. }));
    }

    #[test]
    fn uninitialised_short_and_foreign_accounts_are_refused() {
        for (data, owner, expected) in [
            (bytes(BASE_LEN, 0), TOKEN_PROGRAM, AccountMismatch::Kind),
            (bytes(BASE_LEN, 1)[..164].to_vec(), TOKEN_PROGRAM, AccountMismatch::Kind),
            (bytes(BASE_LEN, 1), Pubkey::default(), AccountMismatch::Owner),
        ] {
            let refused = decode(Pubkey::default(), &account(owner, data)).unwrap_err();
            assert!(matches!(refused, ChainError::Account { reason, .. } if reason == expected));
        }
    }
}
