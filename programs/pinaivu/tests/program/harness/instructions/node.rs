//! A node operator's.

use pinaivu::instructions as ix;
use pinaivu::{accounts, instruction};
use pinaivu_protocol::seeds;
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use super::{SYSTEM, build, find, retired_signer};
use crate::harness::{Actor, Market, World};

impl World {
    pub(crate) fn node_register(
        &self,
        market: &Market,
        operator: &Pubkey,
        signer: &Pubkey,
        payout_owner: &Pubkey,
        opening_slot: u64,
    ) -> (Pubkey, Instruction) {
        let slot = opening_slot.to_le_bytes();
        let node = find(&[seeds::NODE, market.address.as_ref(), operator.as_ref(), &slot]);
        let accounts = accounts::NodeRegister {
            payer: self.payer.pubkey(),
            operator: *operator,
            signer: *signer,
            market: market.address,
            node,
            system_program: SYSTEM,
        };
        let args = ix::NodeRegisterArgs { opening_slot, payout_owner: *payout_owner };
        (node, build(accounts, instruction::NodeRegister { args }))
    }

    pub(crate) fn node_stake(
        &self,
        market: &Market,
        node: &Pubkey,
        depositor: &Actor,
        amount: u64,
    ) -> Instruction {
        let accounts = accounts::NodeStake {
            depositor: depositor.address(),
            market: market.address,
            ledger: market.ledger,
            node: *node,
            stake_vault: market.stake_vault,
            mint: market.mint,
            source: depositor.tokens,
            token_program: market.token_program,
        };
        build(accounts, instruction::NodeStake { args: ix::NodeStakeArgs { amount } })
    }

    pub(crate) fn node_unbond(&self, node: &Pubkey, operator: &Pubkey, amount: u64) -> Instruction {
        let accounts = accounts::NodeUnbond { operator: *operator, node: *node };
        build(accounts, instruction::NodeUnbond { args: ix::NodeUnbondArgs { amount } })
    }

    pub(crate) fn node_unbond_claim(
        &self,
        market: &Market,
        node: &Pubkey,
        destination: &Pubkey,
    ) -> Instruction {
        let accounts = accounts::NodeUnbondClaim {
            market: market.address,
            ledger: market.ledger,
            node: *node,
            stake_vault: market.stake_vault,
            mint: market.mint,
            destination: *destination,
            token_program: market.token_program,
        };
        build(accounts, instruction::NodeUnbondClaim {})
    }

    pub(crate) fn node_rotate_signer(
        &self,
        node: &Pubkey,
        operator: &Pubkey,
        new_signer: &Pubkey,
    ) -> Instruction {
        let stored: Option<pinaivu::state::Node> = self.stored(node);
        let old_signer = stored.map_or(*new_signer, |it| it.signer);
        let accounts = accounts::NodeRotateSigner {
            payer: self.payer.pubkey(),
            operator: *operator,
            new_signer: *new_signer,
            node: *node,
            retired_signer: retired_signer(node, &old_signer),
            returning: retired_signer(node, new_signer),
            system_program: SYSTEM,
        };
        build(accounts, instruction::NodeRotateSigner {})
    }

    pub(crate) fn node_close(&self, node: &Pubkey, operator: &Pubkey) -> Instruction {
        let stored: Option<pinaivu::state::Node> = self.stored(node);
        let rent_payer = stored.map_or(self.payer.pubkey(), |it| it.rent_payer);
        let accounts = accounts::NodeClose { operator: *operator, node: *node, rent_payer };
        build(accounts, instruction::NodeClose {})
    }
}
