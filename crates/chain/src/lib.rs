//! Typed reads and writes on Solana behind one trait, with an RPC implementation.
//!
//! [`Chain`] is the door; [`RpcChain`] opens it on a real cluster or on the local one. Writes go in
//! steps that survive a crash between any two of them, see [`chain`]. This crate holds no keys and no
//! state, retries nothing on its own except in [`Chain::confirm`], and never decides by error text.

pub mod accounts;
pub mod addresses;
pub mod chain;
mod confirm;
mod decode;
pub mod ed25519;
pub mod error;
pub mod instructions;
pub mod program;
pub mod rpc;
mod rpc_error;
pub mod settlement;
pub mod token;
pub mod transaction;
pub mod watch;

pub use accounts::{
    Allowance, ChainTime, Coordinator, Delay, Demand, EpochHead, Escrow, Ledger, LogHead, Lowering,
    Market, Measurement, Node, NodeStatus, Payout, PendingRelease, ReceiptRecord, RetiredSigner,
    TokenAccount, Unbonding, UnixSeconds, VoucherLimit,
};
pub use addresses::{Addresses, ToAddress, public_key};
pub use chain::{
    AllowanceFilter, Chain, ChainPosition, Commitment, ConfirmOptions, ConfirmProgress,
    CoordinatorFilter, Deployment, EscrowFilter, NodeFilter, PayoutFilter, RecentBlockhash,
    TransactionStatus,
};
pub use error::{ChainError, ProgramError, TransactionFailure};
pub use instructions::{
    CoordinatorChanges, CoordinatorProfile, EpochOfReceipt, Instructions, LogExtension,
    MarketChange, MarketParameters, SignerKey,
};
pub use program::{PROGRAM_ID, PinaivuError};
pub use rpc::RpcChain;
pub use token::TOKEN_PROGRAM;
pub use transaction::{ComputeBudget, PreparedTransaction};
pub use watch::Watch;

pub use solana_instruction::{AccountMeta, Instruction};
pub use solana_keypair::Keypair;
pub use solana_pubkey::Pubkey;
pub use solana_signature::Signature;
pub use solana_signer::Signer;
