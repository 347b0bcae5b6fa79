//! One file per instruction, in the order: arguments, accounts, `validate`, `handle`.
//!
//! A constraint that binds accounts to each other stands at the account and names its error; what needs
//! arguments or the clock stands in `validate`. `handle` changes state through the accounts' methods,
//! checks their invariants and emits one event.

pub mod allowance_close;
pub mod allowance_exit;
pub mod allowance_open;
pub mod allowance_raise;
pub mod allowance_release;
pub mod claim;
pub mod coordinator_bond;
pub mod coordinator_register;
pub mod coordinator_rotate_signer;
pub mod coordinator_update;
pub mod credit;
pub mod debit;
pub mod escrow_close;
pub mod escrow_deposit;
pub mod escrow_open;
pub mod escrow_withdraw;
pub mod fee_claim;
pub mod log_epoch_open;
pub mod log_extend;
pub mod market_initialize;
pub mod market_pause;
pub mod node_close;
pub mod node_register;
pub mod node_rotate_signer;
pub mod node_stake;
pub mod node_unbond;
pub mod node_unbond_claim;
pub mod payout_open;

pub use allowance_close::*;
pub use allowance_exit::*;
pub use allowance_open::*;
pub use allowance_raise::*;
pub use allowance_release::*;
pub use claim::*;
pub use coordinator_bond::*;
pub use coordinator_register::*;
pub use coordinator_rotate_signer::*;
pub use coordinator_update::*;
pub use credit::*;
pub use debit::*;
pub use escrow_close::*;
pub use escrow_deposit::*;
pub use escrow_open::*;
pub use escrow_withdraw::*;
pub use fee_claim::*;
pub use log_epoch_open::*;
pub use log_extend::*;
pub use market_initialize::*;
pub use market_pause::*;
pub use node_close::*;
pub use node_register::*;
pub use node_rotate_signer::*;
pub use node_stake::*;
pub use node_unbond::*;
pub use node_unbond_claim::*;
pub use payout_open::*;
