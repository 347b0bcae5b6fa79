//! Nodes and their stake.

use pinaivu_protocol::ids::{NodeId, PublicKey};
use pinaivu_protocol::units::{Amount, Slot};
use solana_instruction::Instruction;

use super::{Instructions, SYSTEM_PROGRAM};
use crate::accounts::Node;
use crate::addresses::ToAddress;
use crate::program::idl::pinaivu::client::{accounts, args};
use crate::program::idl::pinaivu::types;

impl Instructions {
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

    /// Gives the node a new hot key instead of `old_signer`. Signed by `operator`, who pays the rent of
    /// the old key's record, and by `new_signer` itself.
    #[must_use]
    pub fn node_rotate_signer(
        &self,
        node: &NodeId,
        operator: &PublicKey,
        old_signer: &PublicKey,
        new_signer: &PublicKey,
    ) -> Instruction {
        self.build(
            accounts::NodeRotateSigner {
                payer: operator.to_address(),
                operator: operator.to_address(),
                new_signer: new_signer.to_address(),
                node: node.to_address(),
                retired_signer: self.addresses.retired_signer(node, old_signer),
                returning: self.addresses.retired_signer(node, new_signer),
                system_program: SYSTEM_PROGRAM,
            },
            args::NodeRotateSigner,
        )
    }

    /// Closes a node without stake. Signed by its operator.
    #[must_use]
    pub fn node_close(&self, node: &Node) -> Instruction {
        self.build(
            accounts::NodeClose {
                operator: node.operator.to_address(),
                node: node.id.to_address(),
                rent_payer: node.rent_payer.to_address(),
            },
            args::NodeClose,
        )
    }
}
