//! What the program reads of an Ed25519 instruction, through the sysvar in which the runtime shows it.

use anchor_lang::prelude::{AccountInfo, Pubkey};
use solana_instruction::BorrowedInstruction;
use solana_instructions_sysvar::construct_instructions_data;

use crate::ed25519::{INSTRUCTIONS_SYSVAR, signed_message, signed_messages};

/// The Ed25519 program.
const ED25519: Pubkey = Pubkey::from_str_const("Ed25519SigVerify111111111111111111111111111");

/// Any bytes as the data of an Ed25519 instruction, and any instruction asked for.
pub(crate) fn ed25519(bytes: &[u8]) {
    let Some((index, data)) = bytes.split_first() else { return };
    let instructions = [BorrowedInstruction { program_id: &ED25519, accounts: Vec::new(), data }];
    let mut sysvar = construct_instructions_data(&instructions);
    let (mut lamports, owner) = (0, Pubkey::default());
    let account = AccountInfo::new(
        &INSTRUCTIONS_SYSVAR,
        false,
        false,
        &mut lamports,
        &mut sysvar,
        &owner,
        false,
    );
    let index = u16::from(*index);
    let all = signed_messages(&account, index);
    let one = signed_message(&account, index);
    if let Ok(one) = one {
        let all = all.unwrap_or_default();
        assert_eq!(all, [one], "one message is read as that one");
    } else if let Ok(all) = all {
        // Every message lies in the data that was verified.
        for message in all {
            assert!(message.message.len() <= data.len());
        }
    }
}
