//! One builder for each instruction of the program.
//!
//! A builder knows addresses, not keys: who must sign is in the instruction's account list, and
//! [`crate::Chain::prepare`] gets the keys. Nothing here checks whether the program will accept it.

use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{
    AllowanceId, CoordinatorId, EscrowId, MarketId, NodeId, ProgramId, PublicKey,
};
use pinaivu_protocol::units::{Amount, Bps, Slot};
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use crate::accounts::{Allowance, Delay, Market, UnixSeconds};
use crate::addresses::Addresses;
use crate::chain::Deployment;

/// What a new market is opened with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarketParameters {
    /// No coordinator may keep more than this part of its debits.
    pub fee_cap: Bps,
    /// Between asking for reserved money and getting it.
    pub exit_delay: Delay,
    /// Between unbonding stake and claiming it.
    pub unbond_delay: Delay,
    /// Least stake of a node that may serve.
    pub min_stake: Amount,
    /// Least bond of a coordinator.
    pub min_bond: Amount,
}

/// An append to a coordinator's log, as `log_extend` takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogExtension {
    /// The open epoch.
    pub epoch: u32,
    /// The size the chain holds now.
    pub old_size: u64,
    /// The size afterwards; larger.
    pub new_size: u64,
    /// Roots of the subtrees between the two, levels derived from the sizes.
    pub hashes: Vec<Hash32>,
    /// The root the result must have.
    pub expected_root: Hash32,
}

/// What a coordinator says about itself at registration and when it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoordinatorProfile {
    /// Where nodes and clients find it; at most 128 bytes.
    pub endpoint: String,
    /// Its part of every debit, at most the market's cap.
    pub fee: Bps,
    /// Attestation measurement; all zero when unattested.
    pub measurement: Hash32,
}

/// Builds instructions for one market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instructions {
    addresses: Addresses,
    market: MarketId,
    mint: Pubkey,
    token_program: Pubkey,
}

impl Instructions {
    /// For a market that exists.
    #[must_use]
    pub fn new(program: ProgramId, market: &Market) -> Self {
        Self {
            addresses: Addresses::new(program),
            market: market.id,
            mint: market.mint,
            token_program: market.token_program,
        }
    }

    /// For the market that `mint` has or will have on this deployment.
    #[must_use]
    pub fn for_mint(deployment: &Deployment, mint: Pubkey, token_program: Pubkey) -> Self {
        let addresses = Addresses::new(deployment.program);
        let market = addresses.market(&mint, &deployment.cluster);
        Self { addresses, market, mint, token_program }
    }

    /// The market.
    #[must_use]
    pub const fn market(&self) -> MarketId {
        self.market
    }

    /// Where everything lives.
    #[must_use]
    pub const fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// `owner`'s associated token account for the market's mint.
    #[must_use]
    pub fn token_account(&self, owner: &PublicKey) -> Pubkey {
        crate::addresses::associated_token_account(owner, &self.mint, &self.token_program)
    }

    /// Makes `owner`'s associated token account if it does not exist; `payer` pays its rent.
    #[must_use]
    pub fn create_token_account(&self, payer: &PublicKey, owner: &PublicKey) -> Instruction {
        todo!("{payer} {owner}")
    }

    /// Opens the market. Signed by `governance` and `payer`.
    #[must_use]
    pub fn market_initialize(
        &self,
        governance: &PublicKey,
        payer: &PublicKey,
        parameters: &MarketParameters,
    ) -> Instruction {
        todo!("{governance} {payer} {parameters:?}")
    }

    /// Stops or resumes new deposits and registrations. Signed by `governance`.
    #[must_use]
    pub fn market_pause(&self, governance: &PublicKey, paused: bool) -> Instruction {
        todo!("{governance} {paused}")
    }

    /// Opens an escrow at [`crate::transaction::opening_slot`]. Signed by `owner`, who pays the rent.
    #[must_use]
    pub fn escrow_open(&self, owner: &PublicKey, opening: Slot) -> (EscrowId, Instruction) {
        todo!("{owner} {opening}")
    }

    /// Moves `amount` from `funder`'s token account into any escrow. Signed by `funder`.
    #[must_use]
    pub fn escrow_deposit(&self, escrow: &EscrowId, funder: &PublicKey, amount: Amount) -> Instruction {
        todo!("{escrow} {funder} {amount}")
    }

    /// Moves free money to `destination`, at once. Signed by `owner`.
    #[must_use]
    pub fn escrow_withdraw(
        &self,
        escrow: &EscrowId,
        owner: &PublicKey,
        destination: &Pubkey,
        amount: Amount,
    ) -> Instruction {
        todo!("{escrow} {owner} {destination} {amount}")
    }

    /// Closes an empty escrow; its rent goes to `owner`, who signs.
    #[must_use]
    pub fn escrow_close(&self, escrow: &EscrowId, owner: &PublicKey) -> Instruction {
        todo!("{escrow} {owner}")
    }

    /// Reserves `amount` of the escrow's free money for `coordinator` until `expiry`. Signed by
    /// `owner`, who pays the rent.
    #[must_use]
    pub fn allowance_open(
        &self,
        escrow: &EscrowId,
        owner: &PublicKey,
        coordinator: &CoordinatorId,
        opening: Slot,
        amount: Amount,
        expiry: UnixSeconds,
    ) -> (AllowanceId, Instruction) {
        todo!("{escrow} {owner} {coordinator} {opening} {amount} {expiry:?}")
    }

    /// Reserves `amount` more and sets a new expiry. Signed by the owner.
    #[must_use]
    pub fn allowance_raise(
        &self,
        allowance: &Allowance,
        amount: Amount,
        expiry: UnixSeconds,
    ) -> Instruction {
        todo!("{allowance:?} {amount} {expiry:?}")
    }

    /// Asks for `amount` back: admission stops at once, the money moves after the exit delay, to
    /// `destination` or, without one, to the escrow's free balance. Signed by the owner.
    #[must_use]
    pub fn allowance_release(
        &self,
        allowance: &Allowance,
        amount: Amount,
        destination: Option<Pubkey>,
    ) -> Instruction {
        todo!("{allowance:?} {amount} {destination:?}")
    }

    /// Carries out a release, or an expiry, whose delay has passed. Needs no signature.
    #[must_use]
    pub fn allowance_exit(&self, allowance: &Allowance) -> Instruction {
        todo!("{allowance:?}")
    }

    /// Closes an allowance with nothing left; its rent goes to the owner, who signs.
    #[must_use]
    pub fn allowance_close(&self, allowance: &Allowance) -> Instruction {
        todo!("{allowance:?}")
    }

    /// Registers a node. Signed by `operator`, who pays the rent, and by `signer` itself.
    #[must_use]
    pub fn node_register(
        &self,
        operator: &PublicKey,
        signer: &PublicKey,
        payout_owner: &PublicKey,
        opening: Slot,
    ) -> (NodeId, Instruction) {
        todo!("{operator} {signer} {payout_owner} {opening}")
    }

    /// Adds stake from `operator`'s token account. Signed by `operator`.
    #[must_use]
    pub fn node_stake(&self, node: &NodeId, operator: &PublicKey, amount: Amount) -> Instruction {
        todo!("{node} {operator} {amount}")
    }

    /// Starts unbonding `amount` of stake. Signed by `operator`.
    #[must_use]
    pub fn node_unbond(&self, node: &NodeId, operator: &PublicKey, amount: Amount) -> Instruction {
        todo!("{node} {operator} {amount}")
    }

    /// Pays unbonded stake to `operator`'s token account after the delay.
    #[must_use]
    pub fn node_unbond_claim(&self, node: &NodeId, operator: &PublicKey) -> Instruction {
        todo!("{node} {operator}")
    }

    /// Gives the node a new hot key. Signed by `operator` and by `new_signer` itself.
    #[must_use]
    pub fn node_rotate_signer(
        &self,
        node: &NodeId,
        operator: &PublicKey,
        new_signer: &PublicKey,
    ) -> Instruction {
        todo!("{node} {operator} {new_signer}")
    }

    /// Closes a node without stake. Signed by `operator`.
    #[must_use]
    pub fn node_close(&self, node: &NodeId, operator: &PublicKey) -> Instruction {
        todo!("{node} {operator}")
    }

    /// Registers a coordinator. Signed by `authority`, who pays the rent, and by `signer` itself.
    #[must_use]
    pub fn coordinator_register(
        &self,
        authority: &PublicKey,
        signer: &PublicKey,
        opening: Slot,
        profile: &CoordinatorProfile,
    ) -> (CoordinatorId, Instruction) {
        todo!("{authority} {signer} {opening} {profile:?}")
    }

    /// Adds to both bonds from `authority`'s token account. Signed by `authority`.
    #[must_use]
    pub fn coordinator_bond(
        &self,
        coordinator: &CoordinatorId,
        authority: &PublicKey,
        guarantee: Amount,
        penalty: Amount,
    ) -> Instruction {
        todo!("{coordinator} {authority} {guarantee} {penalty}")
    }

    /// Gives the coordinator a new hot key. Signed by `authority` and by `new_signer` itself.
    #[must_use]
    pub fn coordinator_rotate_signer(
        &self,
        coordinator: &CoordinatorId,
        authority: &PublicKey,
        new_signer: &PublicKey,
    ) -> Instruction {
        todo!("{coordinator} {authority} {new_signer}")
    }

    /// Opens the account that counts what a coordinator owes a node. `payer` signs and pays the rent.
    #[must_use]
    pub fn payout_open(
        &self,
        coordinator: &CoordinatorId,
        node: &NodeId,
        payer: &PublicKey,
    ) -> Instruction {
        todo!("{coordinator} {node} {payer}")
    }

    /// Extends the log. Signed by the coordinator's hot `signer`.
    #[must_use]
    pub fn log_extend(
        &self,
        coordinator: &CoordinatorId,
        signer: &PublicKey,
        extension: &LogExtension,
    ) -> Instruction {
        todo!("{coordinator} {signer} {extension:?}")
    }

    /// Freezes the open epoch's head and opens the next one. Signed by `authority`, who pays the rent.
    #[must_use]
    pub fn log_epoch_open(
        &self,
        coordinator: &CoordinatorId,
        authority: &PublicKey,
        closing: u32,
    ) -> Instruction {
        todo!("{coordinator} {authority} {closing}")
    }

    /// Debits allowances to new cumulatives. Signed by the coordinator's hot `signer`.
    #[must_use]
    pub fn debit(
        &self,
        coordinator: &CoordinatorId,
        signer: &PublicKey,
        entries: &[(AllowanceId, Amount)],
    ) -> Instruction {
        todo!("{coordinator} {signer} {entries:?}")
    }

    /// Credits payouts, and the coordinator's fees, to new cumulatives. Signed by the coordinator's
    /// hot `signer`.
    #[must_use]
    pub fn credit(
        &self,
        coordinator: &CoordinatorId,
        signer: &PublicKey,
        entries: &[(NodeId, Amount)],
        fees: Amount,
    ) -> Instruction {
        todo!("{coordinator} {signer} {entries:?} {fees}")
    }

    /// Pays what a node has been credited to its payout owner's associated token account. Needs no
    /// signature; anyone may.
    #[must_use]
    pub fn claim(
        &self,
        coordinator: &CoordinatorId,
        node: &NodeId,
        payout_owner: &PublicKey,
    ) -> Instruction {
        todo!("{coordinator} {node} {payout_owner}")
    }

    /// Pays the coordinator's fees to its authority's associated token account. Needs no signature;
    /// anyone may.
    #[must_use]
    pub fn fee_claim(&self, coordinator: &CoordinatorId, authority: &PublicKey) -> Instruction {
        todo!("{coordinator} {authority}")
    }
}
