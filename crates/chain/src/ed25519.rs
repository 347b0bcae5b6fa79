//! Instructions of the Ed25519 program, in the one form that our program accepts: keys, signatures and
//! messages in the instruction itself.

use pinaivu_protocol::ids::PublicKey;
use pinaivu_protocol::signed::{Signable, Signature, Signed};
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

/// The Ed25519 program.
pub const ED25519_PROGRAM: Pubkey =
    Pubkey::from_str_const("Ed25519SigVerify111111111111111111111111111");

/// The sysvar that shows a program the instructions beside its own.
pub(crate) const INSTRUCTIONS_SYSVAR: Pubkey =
    Pubkey::from_str_const("Sysvar1nstructions1111111111111111111111111");

/// One signature to verify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedBytes {
    /// Whose.
    pub signer: PublicKey,
    /// Over the message.
    pub signature: Signature,
    /// What was signed, tag included.
    pub message: Vec<u8>,
}

impl SignedBytes {
    /// Of a signed record.
    #[must_use]
    pub fn of<T: Signable>(signed: &Signed<T>, signer: PublicKey) -> Self {
        Self { signer, signature: signed.signature, message: signed.record.signing_bytes() }
    }
}

/// Has the runtime verify one or two signatures; the transaction fails when one does not hold. A key
/// that signed both is written once. Nothing when a message is too long for any transaction.
#[must_use]
pub fn verify(signatures: &[SignedBytes]) -> Option<Instruction> {
    let count = u8::try_from(signatures.len()).ok()?;
    let mut keys: Vec<PublicKey> = signatures.iter().map(|it| it.signer).collect();
    keys.dedup();
    let keys_at = 2_usize.checked_add(14_usize.checked_mul(signatures.len())?)?;
    let signatures_at = keys_at.checked_add(32_usize.checked_mul(keys.len())?)?;
    let mut message_at = signatures_at.checked_add(64_usize.checked_mul(signatures.len())?)?;
    let mut data = vec![count, 0];
    for (index, it) in signatures.iter().enumerate() {
        let key = keys.iter().position(|key| *key == it.signer)?;
        let numbers = [
            signatures_at.checked_add(64_usize.checked_mul(index)?)?,
            usize::from(u16::MAX),
            keys_at.checked_add(32_usize.checked_mul(key)?)?,
            usize::from(u16::MAX),
            message_at,
            it.message.len(),
            usize::from(u16::MAX),
        ];
        for number in numbers {
            data.extend_from_slice(&u16::try_from(number).ok()?.to_le_bytes());
        }
        message_at = message_at.checked_add(it.message.len())?;
    }
    data.extend(keys.iter().flat_map(|key| key.0));
    data.extend(signatures.iter().flat_map(|it| it.signature.0));
    data.extend(signatures.iter().flat_map(|it| it.message.iter().copied()));
    Some(Instruction { program_id: ED25519_PROGRAM, accounts: Vec::new(), data })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn signed(key: u8, message: &[u8]) -> SignedBytes {
        SignedBytes {
            signer: PublicKey([key; 32]),
            signature: Signature([key.wrapping_add(100); 64]),
            message: message.to_vec(),
        }
    }

    fn numbers(data: &[u8], entry: usize) -> Vec<u16> {
        let at = 2 + 14 * entry;
        data[at..at + 14].chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()
    }

    #[test]
    fn one_signature_is_laid_out_behind_its_offsets() {
        let data = verify(&[signed(1, b"abc")]).unwrap().data;
        assert_eq!(data[..2], [1, 0]);
        assert_eq!(numbers(&data, 0), [48, 65_535, 16, 65_535, 112, 3, 65_535]);
        assert_eq!(
            (&data[16..48], &data[48..112], &data[112..]),
            (&[1; 32][..], &[101; 64][..], &b"abc"[..])
        );
    }

    #[test]
    fn two_signatures_of_one_key_share_it() {
        let data = verify(&[signed(1, b"abc"), signed(1, b"de")]).unwrap().data;
        assert_eq!(numbers(&data, 0), [62, 65_535, 30, 65_535, 190, 3, 65_535]);
        assert_eq!(numbers(&data, 1), [126, 65_535, 30, 65_535, 193, 2, 65_535]);
        assert_eq!((data.len(), &data[190..]), (195, &b"abcde"[..]));
        let two_keys = verify(&[signed(1, b"abc"), signed(2, b"de")]).unwrap().data;
        assert_eq!(numbers(&two_keys, 1), [158, 65_535, 62, 65_535, 225, 2, 65_535]);
    }

    #[test]
    fn message_that_no_offset_can_reach_is_refused() {
        assert_eq!(verify(&[signed(1, &[0; 65_536])]), None);
        assert_eq!(
            verify(&[signed(1, &[0; 60_000]), signed(1, &[0; 60_000])]).map(|_| ()),
            Some(())
        );
        assert_eq!(verify(&vec![signed(1, b""); 256]), None);
    }
}
