//! Seeds of every program-derived address, in one place for the program and for clients.
//!
//! An address that holds a cumulative contains the slot its owner opened it in, or an address that
//! does, and is never reused: no cumulative ever restarts. `find_program_address` appends the bump.
//!
//! | account | seeds |
//! |---|---|
//! | `Market` | `"market"`, mint, genesis hash |
//! | `Ledger` | `"ledger"`, market |
//! | escrow vault | `"escrow_vault"`, market |
//! | stake vault | `"stake_vault"`, market |
//! | bond vault | `"bond_vault"`, market |
//! | `Escrow` | `"escrow"`, market, owner, opening slot (u64 LE) |
//! | `Allowance` | `"allowance"`, escrow, coordinator, opening slot (u64 LE) |
//! | `Node` | `"node"`, market, operator, opening slot (u64 LE) |
//! | `Coordinator` | `"coordinator"`, market, authority, opening slot (u64 LE) |
//! | `Payout` | `"payout"`, coordinator, node (closable only once one of the two is closed for good) |
//! | `EpochHead` | `"epoch"`, coordinator, epoch (u32 LE) |
//! | `RetiredSigner` | `"retired_signer"`, coordinator or node, key |
//! | `EvidenceBuffer` | `"evidence"`, owner, number (u64 LE) |
//! | `ReceiptRecord` | `"receipt"`, coordinator, epoch (u32 LE), index (u64 LE) |
//! | `Proposal` | `"proposal"`, market, number (u64 LE) |
//! | `Measurement` | `"measurement"`, market, measurement |
//!
//! An escrow's deposit address is its associated token account. `RetiredSigner`, `EvidenceBuffer`,
//! `ReceiptRecord` and `Measurement` hold no cumulative, so they may be opened again; a `Proposal`'s
//! number comes from the market and is never given twice.

/// First seed of the `Market` account.
pub const MARKET: &[u8] = b"market";
/// First seed of the account that counts what each vault owes.
pub const LEDGER: &[u8] = b"ledger";
/// First seed of the token account that holds every user's escrow and every unpaid credit.
pub const ESCROW_VAULT: &[u8] = b"escrow_vault";
/// First seed of the token account that holds every node's stake.
pub const STAKE_VAULT: &[u8] = b"stake_vault";
/// First seed of the token account that holds every coordinator's bonds.
pub const BOND_VAULT: &[u8] = b"bond_vault";
/// First seed of an `Escrow` account.
pub const ESCROW: &[u8] = b"escrow";
/// First seed of an `Allowance` account.
pub const ALLOWANCE: &[u8] = b"allowance";
/// First seed of a `Node` account.
pub const NODE: &[u8] = b"node";
/// First seed of a `Coordinator` account.
pub const COORDINATOR: &[u8] = b"coordinator";
/// First seed of a `Payout` account.
pub const PAYOUT: &[u8] = b"payout";

/// First seed of the account that keeps a closed log epoch's last head.
pub const EPOCH: &[u8] = b"epoch";

/// First seed of the account that says when a hot key was retired.
pub const RETIRED_SIGNER: &[u8] = b"retired_signer";

/// First seed of an account that collects evidence too large for one transaction.
pub const EVIDENCE: &[u8] = b"evidence";

/// First seed of the account that holds one receipt's facts.
pub const RECEIPT: &[u8] = b"receipt";

/// First seed of a change of governance that waits.
pub const PROPOSAL: &[u8] = b"proposal";

/// First seed of the account that allows a coordinator measurement.
pub const MEASUREMENT: &[u8] = b"measurement";

/// How old, in slots, an opening slot may be when its account is created. An account can be closed
/// only after this many slots, so that the same address can never be opened twice.
pub const OPENING_SLOT_WINDOW: u64 = 300;
