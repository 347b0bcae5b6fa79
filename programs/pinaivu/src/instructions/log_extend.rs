//! Extends a coordinator's receipt log.
//!
//! Append-only by construction: which subtrees are added follows from the two sizes alone, the program
//! merges them into the peaks it holds, and the result must have the root that the signer expects. What
//! the leaves say, and that they can be fetched, is for auditors to check.

use anchor_lang::prelude::*;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::merkle::{MerkleError, extend_with_subtrees, root_of_peaks};

use crate::error::PinaivuError;
use crate::event::LogExtended;
use crate::state::{Coordinator, next};

/// The extension.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct LogExtendArgs {
    /// Which log; must be the present one.
    pub epoch: u32,
    /// Leaves before; must be the stored size.
    pub old_size: u64,
    /// Leaves afterwards.
    pub new_size: u64,
    /// Hashes of the complete subtrees that make up the new leaves, left to right.
    pub hashes: Vec<[u8; 32]>,
    /// RFC 9162 root of the extended log.
    pub expected_root: [u8; 32],
}

/// Accounts of `log_extend`.
#[derive(Accounts)]
pub struct LogExtend<'info> {
    /// The coordinator's hot key, checked at `coordinator`.
    pub signer: Signer<'info>,
    /// Holds the log's head.
    #[account(mut, has_one = signer @ PinaivuError::NotSigner)]
    pub coordinator: Box<Account<'info, Coordinator>>,
}

impl LogExtend<'_> {
    fn validate(&self, args: &LogExtendArgs) -> Result<()> {
        require!(args.epoch == self.coordinator.log.epoch, PinaivuError::EpochMismatch);
        require!(args.old_size == self.coordinator.log.size, PinaivuError::LogSizeMismatch);
        Ok(())
    }

    /// Extends the log.
    pub fn handle(ctx: Context<Self>, args: LogExtendArgs) -> Result<()> {
        ctx.accounts.validate(&args)?;
        let coordinator = &mut ctx.accounts.coordinator;
        let hashes: Vec<Hash32> = args.hashes.iter().copied().map(Hash32).collect();
        let old_peaks = coordinator.log.peak_hashes();
        let peaks = extend_with_subtrees(args.old_size, &old_peaks, args.new_size, &hashes)
            .map_err(|error| match error {
                MerkleError::NotGrowing { .. } => PinaivuError::LogNotGrowing,
                MerkleError::HashCount { .. } => PinaivuError::LogHashCountWrong,
                _ => PinaivuError::InvariantBroken,
            })?;
        let root = root_of_peaks(&peaks);
        require!(root.0 == args.expected_root, PinaivuError::LogRootMismatch);

        coordinator.log.size = args.new_size;
        coordinator.log.root = root.0;
        coordinator.log.peaks = peaks.into_iter().map(|peak| peak.0).collect();
        let sequence = next(&mut coordinator.sequence)?;
        coordinator.invariant()?;
        emit!(LogExtended {
            coordinator: coordinator.key(),
            sequence,
            epoch: args.epoch,
            old_size: args.old_size,
            size: args.new_size,
            root: root.0,
        });
        Ok(())
    }
}
