//! What a fresh local chain starts with: the program under its upgrade authority, the test USDC's mint,
//! and two funded wallets.
//!
//! Account layouts are the loader's and the token program's own, written out here because both are
//! stable and tiny.

use solana_account::Account;
use solana_pubkey::Pubkey;
use solana_signer::Signer;

use crate::keys;

/// `BPFLoaderUpgradeab1e11111111111111111111111`.
pub(crate) const UPGRADEABLE_LOADER: Pubkey =
    Pubkey::from_str_const("BPFLoaderUpgradeab1e11111111111111111111111");

const TOKEN_PROGRAM: Pubkey = Pubkey::from_str_const("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA");
const SYSTEM_PROGRAM: Pubkey = Pubkey::new_from_array([0; 32]);

/// Decimals of the test USDC, as of the real one.
pub const USDC_DECIMALS: u8 = 6;

/// 500 million SOL for the faucet to give away.
const FAUCET_LAMPORTS: u64 = 500_000_000_000_000_000;

/// 1,000 SOL for the authority's fees and rents.
const AUTHORITY_LAMPORTS: u64 = 1_000_000_000_000;

/// Enough for any account here to be exempt from rent, whatever the rent is.
const MINT_LAMPORTS: u64 = 1_000_000_000;

/// State number of a program account in the loader's encoding.
const LOADER_PROGRAM: u32 = 2;

/// State number of a program data account in the loader's encoding.
const LOADER_PROGRAM_DATA: u32 = 3;

/// Where the loader keeps the code of `program`.
pub(crate) fn program_data_address(program: &Pubkey) -> Pubkey {
    Pubkey::find_program_address(&[program.as_ref()], &UPGRADEABLE_LOADER).0
}

/// The program's two accounts, code first: the virtual machine reads it when the other one is written.
///
/// Layouts: `u32 LE 3 ‖ slot u64 LE ‖ 1 ‖ authority ‖ code`, and `u32 LE 2 ‖ address of the former`.
pub(crate) fn program_accounts(
    program: &Pubkey,
    code: &[u8],
    upgrade_authority: &Pubkey,
    rent: impl Fn(usize) -> u64,
) -> [(Pubkey, Account); 2] {
    let data_address = program_data_address(program);
    let mut data = Vec::with_capacity(code.len().saturating_add(45));
    data.extend_from_slice(&LOADER_PROGRAM_DATA.to_le_bytes());
    // Deployed in slot 0: visible in every later one.
    data.extend_from_slice(&0_u64.to_le_bytes());
    data.push(1);
    data.extend_from_slice(upgrade_authority.as_ref());
    data.extend_from_slice(code);

    let mut program_state = LOADER_PROGRAM.to_le_bytes().to_vec();
    program_state.extend_from_slice(data_address.as_ref());

    [
        (data_address, account(UPGRADEABLE_LOADER, rent(data.len()), data, false)),
        (*program, account(UPGRADEABLE_LOADER, rent(program_state.len()), program_state, true)),
    ]
}

/// The mint and the two wallets.
pub(crate) fn money_accounts() -> [(Pubkey, Account); 3] {
    [
        (keys::mint().pubkey(), account(TOKEN_PROGRAM, MINT_LAMPORTS, mint_state(), false)),
        (keys::faucet().pubkey(), account(SYSTEM_PROGRAM, FAUCET_LAMPORTS, Vec::new(), false)),
        (
            keys::authority().pubkey(),
            account(SYSTEM_PROGRAM, AUTHORITY_LAMPORTS, Vec::new(), false),
        ),
    ]
}

/// An SPL mint: authority (tag u32 LE, key), supply u64 LE, decimals, initialised, freeze authority.
fn mint_state() -> Vec<u8> {
    let mut data = 1_u32.to_le_bytes().to_vec();
    data.extend_from_slice(keys::faucet().pubkey().as_ref());
    data.extend_from_slice(&0_u64.to_le_bytes());
    data.push(USDC_DECIMALS);
    data.push(1);
    data.extend_from_slice(&[0; 36]);
    data
}

const fn account(owner: Pubkey, lamports: u64, data: Vec<u8>, executable: bool) -> Account {
    Account { lamports, data, owner, executable, rent_epoch: u64::MAX }
}
