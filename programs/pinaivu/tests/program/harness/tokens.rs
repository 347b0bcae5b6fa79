//! Mints and token accounts, written straight into the chain, and their balances.

use anchor_lang::solana_program::program_option::COption;
use anchor_lang::solana_program::program_pack::Pack as _;
use solana_account::Account;
use solana_pubkey::Pubkey;
use spl_token_interface::state::{Account as TokenAccount, AccountState, Mint};

use super::{Market, World, deposit_account};

/// The SPL Token program.
pub(crate) const CLASSIC: Pubkey =
    Pubkey::from_str_const("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA");

/// The Token-2022 program.
pub(crate) const TOKEN_2022: Pubkey =
    Pubkey::from_str_const("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb");

impl World {
    /// A new mint without a freeze authority.
    pub(crate) fn mint(&mut self, token_program: Pubkey, decimals: u8) -> Pubkey {
        let address = self.address();
        let mint = Mint {
            mint_authority: COption::Some(Pubkey::new_from_array([9; 32])),
            supply: u64::MAX,
            decimals,
            is_initialized: true,
            freeze_authority: COption::None,
        };
        let mut data = vec![0; Mint::LEN];
        mint.pack_into_slice(&mut data);
        self.set_account(address, owned(token_program, data));
        address
    }

    /// A new token account of `owner` with `amount` in it.
    pub(crate) fn token_account(&mut self, market: &Market, owner: &Pubkey, amount: u64) -> Pubkey {
        let address = self.address();
        let account = TokenAccount {
            mint: market.mint,
            owner: *owner,
            amount,
            state: AccountState::Initialized,
            ..TokenAccount::default()
        };
        let mut data = vec![0; TokenAccount::LEN];
        account.pack_into_slice(&mut data);
        self.set_account(address, owned(market.token_program, data));
        *self.minted.entry(market.mint).or_default() += u128::from(amount);
        address
    }

    /// A plain transfer to an escrow's deposit account, which is made when it is not there.
    pub(crate) fn deposit_tokens(
        &mut self,
        market: &Market,
        escrow: &Pubkey,
        amount: u64,
    ) -> Pubkey {
        let address = deposit_account(escrow, &market.mint, &market.token_program);
        let before = self.svm.get_account(&address).filter(|account| !account.data.is_empty());
        let held = before.map_or(0, |_| self.tokens(&address));
        let account = TokenAccount {
            mint: market.mint,
            owner: *escrow,
            amount: held + amount,
            state: AccountState::Initialized,
            ..TokenAccount::default()
        };
        let mut data = vec![0; TokenAccount::LEN];
        account.pack_into_slice(&mut data);
        self.set_account(address, owned(market.token_program, data));
        *self.minted.entry(market.mint).or_default() += u128::from(amount);
        address
    }

    /// Tokens of a mint that were burned.
    pub(crate) fn burned(&self, mint: &Pubkey) -> u128 {
        let account = self.svm.get_account(mint).expect("the mint exists");
        let mint = Mint::unpack_from_slice(&account.data[..Mint::LEN]).unwrap();
        u128::from(u64::MAX - mint.supply)
    }

    /// What the program keeps and owes to nobody any more is a donation to the vault.
    pub(crate) fn left_behind(&mut self, vault: &Pubkey, amount: u64) {
        *self.donations.entry(*vault).or_default() += amount;
        self.check();
    }

    /// A stranger sends tokens to a vault.
    pub(crate) fn donate(&mut self, vault: &Pubkey, amount: u64) {
        let mint = self.give(vault, amount);
        *self.minted.entry(mint).or_default() += u128::from(amount);
        *self.donations.entry(*vault).or_default() += amount;
        self.check();
    }

    /// Puts tokens into a token account, of which the oracle does not know; gives their mint.
    pub(crate) fn give(&mut self, to: &Pubkey, amount: u64) -> Pubkey {
        let mut account = self.svm.get_account(to).unwrap();
        let mut tokens = TokenAccount::unpack_from_slice(&account.data).unwrap();
        tokens.amount = tokens.amount.checked_add(amount).unwrap();
        tokens.pack_into_slice(&mut account.data);
        self.set_account(*to, account);
        tokens.mint
    }

    /// How much a token account holds.
    #[track_caller]
    pub(crate) fn tokens(&self, address: &Pubkey) -> u64 {
        let account = self.svm.get_account(address).expect("the token account exists");
        TokenAccount::unpack_from_slice(&account.data).unwrap().amount
    }

    /// How much all token accounts of a mint hold together.
    pub(crate) fn circulating(&self, token_program: &Pubkey, mint: &Pubkey) -> u128 {
        let accounts = self.svm.get_program_accounts(token_program);
        // A mint with extensions is longer than a token account and says so after it.
        let tokens = accounts.iter().filter(|(_, account)| {
            account.data.len() >= TokenAccount::LEN && account.data.get(165) != Some(&1)
        });
        tokens
            .map(|(_, account)| {
                TokenAccount::unpack_from_slice(&account.data[..TokenAccount::LEN]).unwrap()
            })
            .filter(|account| account.mint == *mint)
            .map(|account| u128::from(account.amount))
            .sum()
    }
}

fn owned(owner: Pubkey, data: Vec<u8>) -> Account {
    Account { lamports: 10_000_000, data, owner, executable: false, rent_epoch: u64::MAX }
}
