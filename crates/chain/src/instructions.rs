//! One builder for each instruction of the program.
//!
//! A builder knows addresses, not keys: who must sign is in the instruction's account list, and
//! [`crate::Chain::prepare`] gets the keys. Nothing here checks whether the program will accept it.

use anchor_lang::{InstructionData, ToAccountMetas};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{
    AllowanceId, ClusterId, CoordinatorId, EscrowId, MarketId, NodeId, ProgramId, PublicKey,
};
use pinaivu_protocol::units::{Amount, Bps, Slot};
use solana_instruction::{AccountMeta, Instruction};
use solana_pubkey::Pubkey;

use crate::accounts::{Allowance, Delay, Market, UnixSeconds};
use crate::addresses::{Addresses, ToAddress};
use crate::chain::Deployment;
use crate::program::idl::pinaivu::client::{accounts, args};
use crate::program::idl::pinaivu::types;

const SYSTEM_PROGRAM: Pubkey = Pubkey::new_from_array([0; 32]);

/// The upgradeable loader; holds the program data that names the upgrade authority.
const UPGRADEABLE_LOADER: Pubkey =
    Pubkey::from_str_const("BPFLoaderUpgradeab1e11111111111111111111111");

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

/// What a coordinator says about itself at registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoordinatorProfile {
    /// Where nodes and clients find it; at most 128 bytes.
    pub endpoint: String,
    /// Its part of every debit, at most the market's cap. Fixed for the life of the account.
    pub fee: Bps,
    /// Attestation measurement; all zero when unattested.
    pub measurement: Hash32,
}

/// What a coordinator changes about itself; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CoordinatorChanges {
    /// Where nodes and clients find it; at most 128 bytes.
    pub endpoint: Option<String>,
    /// Attestation measurement; all zero when unattested.
    pub measurement: Option<Hash32>,
    /// Hash of the attestation evidence; all zero when there is none.
    pub evidence_hash: Option<Hash32>,
}

/// Builds instructions for one market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instructions {
    addresses: Addresses,
    cluster: ClusterId,
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
            cluster: market.cluster,
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
        Self { addresses, cluster: deployment.cluster, market, mint, token_program }
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
        crate::token::create_associated_account(payer, owner, &self.mint, &self.token_program)
    }

    /// Opens the market. Signed by `governance`, which must be the program's upgrade authority, and by
    /// `payer`.
    #[must_use]
    pub fn market_initialize(
        &self,
        governance: &PublicKey,
        payer: &PublicKey,
        parameters: &MarketParameters,
    ) -> Instruction {
        let program = self.addresses.program();
        self.build(
            accounts::MarketInitialize {
                payer: payer.to_address(),
                upgrade_authority: governance.to_address(),
                program,
                program_data: Pubkey::find_program_address(
                    &[program.as_ref()],
                    &UPGRADEABLE_LOADER,
                )
                .0,
                mint: self.mint,
                market: self.market.to_address(),
                ledger: self.addresses.ledger(&self.market),
                escrow_vault: self.addresses.escrow_vault(&self.market),
                stake_vault: self.addresses.stake_vault(&self.market),
                bond_vault: self.addresses.bond_vault(&self.market),
                token_program: self.token_program,
                system_program: SYSTEM_PROGRAM,
            },
            args::MarketInitialize {
                args: types::MarketInitializeArgs {
                    genesis_hash: self.cluster.0,
                    governance: governance.to_address(),
                    fee_cap_bps: parameters.fee_cap.0,
                    exit_delay_slots: parameters.exit_delay.slots,
                    exit_delay_seconds: parameters.exit_delay.seconds,
                    unbond_delay_slots: parameters.unbond_delay.slots,
                    unbond_delay_seconds: parameters.unbond_delay.seconds,
                    min_stake: parameters.min_stake.0,
                    min_bond: parameters.min_bond.0,
                },
            },
        )
    }

    /// Stops or resumes new deposits and registrations. Signed by `governance`.
    #[must_use]
    pub fn market_pause(&self, governance: &PublicKey, paused: bool) -> Instruction {
        self.build(
            accounts::MarketPause {
                governance: governance.to_address(),
                market: self.market.to_address(),
            },
            args::MarketPause { args: types::MarketPauseArgs { paused } },
        )
    }

    /// Opens an escrow at [`crate::transaction::opening_slot`]. Signed by `owner`, who pays the rent.
    #[must_use]
    pub fn escrow_open(&self, owner: &PublicKey, opening: Slot) -> (EscrowId, Instruction) {
        let escrow = self.addresses.escrow(&self.market, owner, opening);
        let instruction = self.build(
            accounts::EscrowOpen {
                payer: owner.to_address(),
                owner: owner.to_address(),
                market: self.market.to_address(),
                escrow: escrow.to_address(),
                system_program: SYSTEM_PROGRAM,
            },
            args::EscrowOpen { args: types::EscrowOpenArgs { opening_slot: opening.0 } },
        );
        (escrow, instruction)
    }

    /// Moves `amount` from `funder`'s associated token account into any escrow. Signed by `funder`.
    #[must_use]
    pub fn escrow_deposit(
        &self,
        escrow: &EscrowId,
        funder: &PublicKey,
        amount: Amount,
    ) -> Instruction {
        self.build(
            accounts::EscrowDeposit {
                depositor: funder.to_address(),
                market: self.market.to_address(),
                ledger: self.addresses.ledger(&self.market),
                escrow: escrow.to_address(),
                escrow_vault: self.addresses.escrow_vault(&self.market),
                mint: self.mint,
                source: self.token_account(funder),
                token_program: self.token_program,
            },
            args::EscrowDeposit { args: types::EscrowDepositArgs { amount: amount.0 } },
        )
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
        self.build(
            accounts::EscrowWithdraw {
                owner: owner.to_address(),
                market: self.market.to_address(),
                ledger: self.addresses.ledger(&self.market),
                escrow: escrow.to_address(),
                escrow_vault: self.addresses.escrow_vault(&self.market),
                mint: self.mint,
                destination: *destination,
                token_program: self.token_program,
            },
            args::EscrowWithdraw { args: types::EscrowWithdrawArgs { amount: amount.0 } },
        )
    }

    /// Closes an empty escrow; its rent goes to `owner`, who signs.
    #[must_use]
    pub fn escrow_close(&self, escrow: &EscrowId, owner: &PublicKey) -> Instruction {
        self.build(
            accounts::EscrowClose { owner: owner.to_address(), escrow: escrow.to_address() },
            args::EscrowClose,
        )
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
        let allowance = self.addresses.allowance(escrow, coordinator, opening);
        let instruction = self.build(
            accounts::AllowanceOpen {
                payer: owner.to_address(),
                owner: owner.to_address(),
                market: self.market.to_address(),
                escrow: escrow.to_address(),
                coordinator: coordinator.to_address(),
                allowance: allowance.to_address(),
                system_program: SYSTEM_PROGRAM,
            },
            args::AllowanceOpen {
                args: types::AllowanceOpenArgs {
                    opening_slot: opening.0,
                    amount: amount.0,
                    expiry_time: expiry.0,
                },
            },
        );
        (allowance, instruction)
    }

    /// Reserves `amount` more, which may be nothing, and moves the expiry to a later time. Signed by the
    /// owner.
    #[must_use]
    pub fn allowance_raise(
        &self,
        allowance: &Allowance,
        amount: Amount,
        expiry: UnixSeconds,
    ) -> Instruction {
        self.build(
            accounts::AllowanceRaise {
                owner: allowance.owner.to_address(),
                market: self.market.to_address(),
                escrow: allowance.escrow.to_address(),
                coordinator: allowance.coordinator.to_address(),
                allowance: allowance.id.to_address(),
            },
            args::AllowanceRaise {
                args: types::AllowanceRaiseArgs { amount: amount.0, expiry_time: expiry.0 },
            },
        )
    }

    /// Asks for `amount` back: admission stops at once, the money moves after the exit delay, to
    /// `destination` or, without one, to the escrow's free balance. Replaces a release that is pending;
    /// an amount of 0 cancels it. Signed by the owner.
    #[must_use]
    pub fn allowance_release(
        &self,
        allowance: &Allowance,
        amount: Amount,
        destination: Option<Pubkey>,
    ) -> Instruction {
        self.build(
            accounts::AllowanceRelease {
                owner: allowance.owner.to_address(),
                allowance: allowance.id.to_address(),
            },
            args::AllowanceRelease {
                args: types::AllowanceReleaseArgs { amount: amount.0, destination },
            },
        )
    }

    /// Carries out a release, or an expiry, whose delay has passed. Needs no signature.
    #[must_use]
    pub fn allowance_exit(&self, allowance: &Allowance) -> Instruction {
        self.build(
            accounts::AllowanceExit {
                market: self.market.to_address(),
                ledger: self.addresses.ledger(&self.market),
                escrow: allowance.escrow.to_address(),
                allowance: allowance.id.to_address(),
                escrow_vault: self.addresses.escrow_vault(&self.market),
                mint: self.mint,
                destination: allowance.pending_release.and_then(|release| release.destination),
                token_program: self.token_program,
            },
            args::AllowanceExit,
        )
    }

    /// Closes an allowance with nothing left; its rent goes to the owner, who signs.
    #[must_use]
    pub fn allowance_close(&self, allowance: &Allowance) -> Instruction {
        self.build(
            accounts::AllowanceClose {
                owner: allowance.owner.to_address(),
                escrow: allowance.escrow.to_address(),
                allowance: allowance.id.to_address(),
            },
            args::AllowanceClose,
        )
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
        let node = self.addresses.node(&self.market, operator, opening);
        let instruction = self.build(
            accounts::NodeRegister {
                payer: operator.to_address(),
                operator: operator.to_address(),
                signer: signer.to_address(),
                market: self.market.to_address(),
                node: node.to_address(),
                system_program: SYSTEM_PROGRAM,
            },
            args::NodeRegister {
                args: types::NodeRegisterArgs {
                    opening_slot: opening.0,
                    payout_owner: payout_owner.to_address(),
                },
            },
        );
        (node, instruction)
    }

    /// Adds stake from `depositor`'s associated token account. Signed by `depositor`.
    #[must_use]
    pub fn node_stake(&self, node: &NodeId, depositor: &PublicKey, amount: Amount) -> Instruction {
        self.build(
            accounts::NodeStake {
                depositor: depositor.to_address(),
                market: self.market.to_address(),
                ledger: self.addresses.ledger(&self.market),
                node: node.to_address(),
                stake_vault: self.addresses.stake_vault(&self.market),
                mint: self.mint,
                source: self.token_account(depositor),
                token_program: self.token_program,
            },
            args::NodeStake { args: types::NodeStakeArgs { amount: amount.0 } },
        )
    }

    /// Starts unbonding `amount` of stake. Signed by `operator`.
    #[must_use]
    pub fn node_unbond(&self, node: &NodeId, operator: &PublicKey, amount: Amount) -> Instruction {
        self.build(
            accounts::NodeUnbond { operator: operator.to_address(), node: node.to_address() },
            args::NodeUnbond { args: types::NodeUnbondArgs { amount: amount.0 } },
        )
    }

    /// Pays unbonded stake to `operator`'s associated token account after the delay. Needs no signature.
    #[must_use]
    pub fn node_unbond_claim(&self, node: &NodeId, operator: &PublicKey) -> Instruction {
        self.build(
            accounts::NodeUnbondClaim {
                market: self.market.to_address(),
                ledger: self.addresses.ledger(&self.market),
                node: node.to_address(),
                stake_vault: self.addresses.stake_vault(&self.market),
                mint: self.mint,
                destination: self.token_account(operator),
                token_program: self.token_program,
            },
            args::NodeUnbondClaim,
        )
    }

    /// Gives the node a new hot key. Signed by `operator` and by `new_signer` itself.
    #[must_use]
    pub fn node_rotate_signer(
        &self,
        node: &NodeId,
        operator: &PublicKey,
        new_signer: &PublicKey,
    ) -> Instruction {
        self.build(
            accounts::NodeRotateSigner {
                operator: operator.to_address(),
                new_signer: new_signer.to_address(),
                node: node.to_address(),
            },
            args::NodeRotateSigner,
        )
    }

    /// Closes a node without stake. Signed by `operator`.
    #[must_use]
    pub fn node_close(&self, node: &NodeId, operator: &PublicKey) -> Instruction {
        self.build(
            accounts::NodeClose { operator: operator.to_address(), node: node.to_address() },
            args::NodeClose,
        )
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
        let coordinator = self.addresses.coordinator(&self.market, authority, opening);
        let instruction = self.build(
            accounts::CoordinatorRegister {
                payer: authority.to_address(),
                authority: authority.to_address(),
                signer: signer.to_address(),
                market: self.market.to_address(),
                coordinator: coordinator.to_address(),
                system_program: SYSTEM_PROGRAM,
            },
            args::CoordinatorRegister {
                args: types::CoordinatorRegisterArgs {
                    opening_slot: opening.0,
                    endpoint: profile.endpoint.clone(),
                    fee_bps: profile.fee.0,
                    measurement: profile.measurement.0,
                },
            },
        );
        (coordinator, instruction)
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
        self.build(
            accounts::CoordinatorBond {
                authority: authority.to_address(),
                market: self.market.to_address(),
                ledger: self.addresses.ledger(&self.market),
                coordinator: coordinator.to_address(),
                bond_vault: self.addresses.bond_vault(&self.market),
                mint: self.mint,
                source: self.token_account(authority),
                token_program: self.token_program,
            },
            args::CoordinatorBond {
                args: types::CoordinatorBondArgs { guarantee: guarantee.0, penalty: penalty.0 },
            },
        )
    }

    /// Changes what the coordinator says about itself. Signed by `authority`.
    #[must_use]
    pub fn coordinator_update(
        &self,
        coordinator: &CoordinatorId,
        authority: &PublicKey,
        changes: &CoordinatorChanges,
    ) -> Instruction {
        self.build(
            accounts::CoordinatorUpdate {
                authority: authority.to_address(),
                coordinator: coordinator.to_address(),
            },
            args::CoordinatorUpdate {
                args: types::CoordinatorUpdateArgs {
                    endpoint: changes.endpoint.clone(),
                    measurement: changes.measurement.map(|hash| hash.0),
                    evidence_hash: changes.evidence_hash.map(|hash| hash.0),
                },
            },
        )
    }

    /// Gives the coordinator a new hot key. Signed by `authority` and by `new_signer` itself.
    #[must_use]
    pub fn coordinator_rotate_signer(
        &self,
        coordinator: &CoordinatorId,
        authority: &PublicKey,
        new_signer: &PublicKey,
    ) -> Instruction {
        self.build(
            accounts::CoordinatorRotateSigner {
                authority: authority.to_address(),
                new_signer: new_signer.to_address(),
                coordinator: coordinator.to_address(),
            },
            args::CoordinatorRotateSigner,
        )
    }

    /// Opens the account that counts what a coordinator owes a node. `payer` signs and pays the rent.
    #[must_use]
    pub fn payout_open(
        &self,
        coordinator: &CoordinatorId,
        node: &NodeId,
        payer: &PublicKey,
    ) -> Instruction {
        self.build(
            accounts::PayoutOpen {
                payer: payer.to_address(),
                market: self.market.to_address(),
                coordinator: coordinator.to_address(),
                node: node.to_address(),
                payout: self.addresses.payout(coordinator, node),
                system_program: SYSTEM_PROGRAM,
            },
            args::PayoutOpen,
        )
    }

    /// Extends the log. Signed by the coordinator's hot `signer`.
    #[must_use]
    pub fn log_extend(
        &self,
        coordinator: &CoordinatorId,
        signer: &PublicKey,
        extension: &LogExtension,
    ) -> Instruction {
        self.build(
            accounts::LogExtend {
                signer: signer.to_address(),
                coordinator: coordinator.to_address(),
            },
            args::LogExtend {
                args: types::LogExtendArgs {
                    epoch: extension.epoch,
                    old_size: extension.old_size,
                    new_size: extension.new_size,
                    hashes: extension.hashes.iter().map(|hash| hash.0).collect(),
                    expected_root: extension.expected_root.0,
                },
            },
        )
    }

    /// Freezes the open epoch's head and opens the next one. Signed by `authority`, who pays the rent.
    #[must_use]
    pub fn log_epoch_open(
        &self,
        coordinator: &CoordinatorId,
        authority: &PublicKey,
        closing: u32,
    ) -> Instruction {
        self.build(
            accounts::LogEpochOpen {
                payer: authority.to_address(),
                authority: authority.to_address(),
                coordinator: coordinator.to_address(),
                epoch_head: self.addresses.epoch_head(coordinator, closing),
                system_program: SYSTEM_PROGRAM,
            },
            args::LogEpochOpen,
        )
    }

    /// Debits allowances to new cumulatives. Signed by the coordinator's hot `signer`.
    #[must_use]
    pub fn debit(
        &self,
        coordinator: &CoordinatorId,
        signer: &PublicKey,
        entries: &[(AllowanceId, Amount)],
    ) -> Instruction {
        let mut instruction = self.build(
            accounts::Debit { signer: signer.to_address(), coordinator: coordinator.to_address() },
            args::Debit {
                args: types::DebitArgs {
                    entries: entries.iter().map(|(_, amount)| amount.0).collect(),
                },
            },
        );
        let accounts = entries.iter().map(|(id, _)| AccountMeta::new(id.to_address(), false));
        instruction.accounts.extend(accounts);
        instruction
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
        let mut instruction = self.build(
            accounts::Credit {
                signer: signer.to_address(),
                market: self.market.to_address(),
                coordinator: coordinator.to_address(),
            },
            args::Credit {
                args: types::CreditArgs {
                    entries: entries.iter().map(|(_, amount)| amount.0).collect(),
                    fees: fees.0,
                },
            },
        );
        let accounts = entries
            .iter()
            .map(|(node, _)| AccountMeta::new(self.addresses.payout(coordinator, node), false));
        instruction.accounts.extend(accounts);
        instruction
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
        self.build(
            accounts::Claim {
                market: self.market.to_address(),
                ledger: self.addresses.ledger(&self.market),
                coordinator: coordinator.to_address(),
                payout: self.addresses.payout(coordinator, node),
                escrow_vault: self.addresses.escrow_vault(&self.market),
                mint: self.mint,
                destination: self.token_account(payout_owner),
                token_program: self.token_program,
            },
            args::Claim,
        )
    }

    /// Pays the coordinator's fees to its authority's associated token account. Needs no signature;
    /// anyone may.
    #[must_use]
    pub fn fee_claim(&self, coordinator: &CoordinatorId, authority: &PublicKey) -> Instruction {
        self.build(
            accounts::FeeClaim {
                market: self.market.to_address(),
                ledger: self.addresses.ledger(&self.market),
                coordinator: coordinator.to_address(),
                escrow_vault: self.addresses.escrow_vault(&self.market),
                mint: self.mint,
                destination: self.token_account(authority),
                token_program: self.token_program,
            },
            args::FeeClaim,
        )
    }

    fn build(&self, accounts: impl ToAccountMetas, args: impl InstructionData) -> Instruction {
        Instruction {
            program_id: self.addresses.program(),
            accounts: accounts.to_account_metas(None),
            data: args.data(),
        }
    }
}
