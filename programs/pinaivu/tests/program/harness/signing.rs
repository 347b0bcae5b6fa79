//! Signed records, and the Ed25519 program's instructions over them.

use pinaivu_protocol::signed::Signable;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

/// The Ed25519 program.
pub(crate) const ED25519: Pubkey =
    Pubkey::from_str_const("Ed25519SigVerify111111111111111111111111111");

/// Shows a program the instructions beside its own.
pub(crate) const INSTRUCTIONS_SYSVAR: Pubkey =
    Pubkey::from_str_const("Sysvar1nstructions1111111111111111111111111");

/// Verifies what each key signed: the record's tag and the record.
pub(crate) fn verify_records<T: Signable>(signed: &[(&Keypair, &T)]) -> Instruction {
    let messages: Vec<(&Keypair, Vec<u8>)> =
        signed.iter().map(|(key, record)| (*key, record.signing_bytes())).collect();
    verify(&messages)
}

/// Verifies messages as they are. A key that signed all is written once, so that two heads fit.
pub(crate) fn verify(signed: &[(&Keypair, Vec<u8>)]) -> Instruction {
    let mut keys: Vec<Pubkey> = signed.iter().map(|(key, _)| key.pubkey()).collect();
    keys.dedup();
    let own = u16::MAX;
    let keys_at = 2 + 14 * signed.len();
    let signatures_at = keys_at + 32 * keys.len();
    let mut message_at = signatures_at + 64 * signed.len();
    let mut data = vec![u8::try_from(signed.len()).unwrap(), 0];
    for (index, (key, message)) in signed.iter().enumerate() {
        let place = keys.iter().position(|it| *it == key.pubkey()).unwrap();
        let number = |value: usize| u16::try_from(value).unwrap();
        let numbers = [
            number(signatures_at + 64 * index),
            own,
            number(keys_at + 32 * place),
            own,
            number(message_at),
            number(message.len()),
            own,
        ];
        data.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        message_at += message.len();
    }
    data.extend(keys.iter().flat_map(|key| key.to_bytes()));
    for (key, message) in signed {
        data.extend_from_slice(key.sign_message(message).as_ref());
    }
    data.extend(signed.iter().flat_map(|(_, message)| message.iter().copied()));
    Instruction { program_id: ED25519, accounts: Vec::new(), data }
}
