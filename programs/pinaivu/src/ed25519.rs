//! What the Ed25519 program verified in this transaction.
//!
//! The runtime runs the Ed25519 program before any other and fails the transaction when a signature does
//! not verify. So a program only has to read, from the very bytes that were verified, what was signed and
//! by whom. Every offset is taken from that instruction, and every index must point into it: an
//! instruction that verifies bytes of *another* instruction says nothing about its own.

use anchor_lang::prelude::*;
use solana_instructions_sysvar::load_instruction_at_checked;

use crate::error::PinaivuError;

/// The Ed25519 program.
const ED25519: Pubkey = Pubkey::from_str_const("Ed25519SigVerify111111111111111111111111111");

/// Shows a program the instructions beside its own.
pub(crate) const INSTRUCTIONS_SYSVAR: Pubkey =
    Pubkey::from_str_const("Sysvar1nstructions1111111111111111111111111");

/// Number of signatures and a byte of padding.
const HEADER_LEN: usize = 2;

/// Seven 16-bit numbers that describe one signature.
const OFFSETS_LEN: usize = 14;

const KEY_LEN: usize = 32;
const SIGNATURE_LEN: usize = 64;

/// Means: in this instruction.
const THIS_INSTRUCTION: u16 = u16::MAX;

/// A message that a key signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SignedMessage {
    /// The key.
    pub(crate) signer: Pubkey,
    /// What it signed.
    pub(crate) message: Vec<u8>,
}

/// The messages that instruction `index` of this transaction verified, in order.
pub(crate) fn signed_messages(
    instructions: &AccountInfo<'_>,
    index: u16,
) -> Result<Vec<SignedMessage>> {
    // The sysvar's address is checked in there too.
    let Ok(instruction) = load_instruction_at_checked(usize::from(index), instructions) else {
        return err!(PinaivuError::SignatureMissing);
    };
    require_keys_eq!(instruction.program_id, ED25519, PinaivuError::SignatureMissing);
    Ok(parse(&instruction.data, index).ok_or(PinaivuError::SignatureMalformed)?)
}

/// The one message that instruction `index` of this transaction verified.
pub(crate) fn signed_message(instructions: &AccountInfo<'_>, index: u16) -> Result<SignedMessage> {
    let mut all = signed_messages(instructions, index)?.into_iter();
    match (all.next(), all.next()) {
        (Some(message), None) => Ok(message),
        _ => err!(PinaivuError::SignatureMalformed),
    }
}

/// Reads the data of the Ed25519 instruction that stands at `own` in its transaction.
fn parse(data: &[u8], own: u16) -> Option<Vec<SignedMessage>> {
    let [count, padding] = *data.first_chunk::<HEADER_LEN>()?;
    if count == 0 || padding != 0 {
        return None;
    }
    let table = data.get(HEADER_LEN..)?;
    let table = table.get(..OFFSETS_LEN.checked_mul(usize::from(count))?)?;
    let (entries, _) = table.as_chunks::<OFFSETS_LEN>();
    entries.iter().map(|entry| parse_one(data, entry, own)).collect()
}

fn parse_one(data: &[u8], entry: &[u8; OFFSETS_LEN], own: u16) -> Option<SignedMessage> {
    let (numbers, _) = entry.as_chunks::<2>();
    let &[signature, signature_at, key, key_at, message, len, message_at] = numbers else {
        return None;
    };
    let here = |index: [u8; 2]| {
        let index = u16::from_le_bytes(index);
        index == THIS_INSTRUCTION || index == own
    };
    if !(here(signature_at) && here(key_at) && here(message_at)) {
        return None;
    }
    let part = |offset: [u8; 2], len: usize| {
        let start = usize::from(u16::from_le_bytes(offset));
        data.get(start..start.checked_add(len)?)
    };
    part(signature, SIGNATURE_LEN)?;
    let signer: [u8; KEY_LEN] = part(key, KEY_LEN)?.try_into().ok()?;
    let message = part(message, usize::from(u16::from_le_bytes(len)))?;
    Some(SignedMessage { signer: Pubkey::new_from_array(signer), message: message.to_vec() })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;

    /// The numbers of one entry, in their order.
    #[derive(Clone, Copy)]
    struct Entry {
        signature: u16,
        signature_at: u16,
        key: u16,
        key_at: u16,
        message: u16,
        len: u16,
        message_at: u16,
    }

    const OWN: u16 = 3;

    fn data(entries: &[Entry], rest: &[u8]) -> Vec<u8> {
        let mut data = vec![u8::try_from(entries.len()).unwrap(), 0];
        for it in entries {
            let numbers = [
                it.signature,
                it.signature_at,
                it.key,
                it.key_at,
                it.message,
                it.len,
                it.message_at,
            ];
            data.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        }
        data.extend_from_slice(rest);
        data
    }

    /// One signature: entry, key, signature, the message `abc`.
    fn one() -> (Entry, Vec<u8>) {
        let at = THIS_INSTRUCTION;
        let entry = Entry {
            key: 16,
            key_at: at,
            signature: 48,
            signature_at: at,
            message: 112,
            len: 3,
            message_at: at,
        };
        (entry, [&[7; 32][..], &[8; 64], b"abc"].concat())
    }

    fn expected() -> SignedMessage {
        SignedMessage { signer: Pubkey::new_from_array([7; 32]), message: b"abc".to_vec() }
    }

    #[test]
    fn message_in_its_own_instruction_is_read_whichever_way_that_is_said() {
        let (entry, rest) = one();
        assert_eq!(parse(&data(&[entry], &rest), OWN), Some(vec![expected()]));
        let named = Entry { signature_at: OWN, key_at: OWN, message_at: OWN, ..entry };
        assert_eq!(parse(&data(&[named], &rest), OWN), Some(vec![expected()]));
    }

    #[test]
    fn part_in_another_instruction_is_refused() {
        let (entry, rest) = one();
        for other in [0, OWN - 1, OWN + 1, u16::MAX - 1] {
            for entry in [
                Entry { signature_at: other, ..entry },
                Entry { key_at: other, ..entry },
                Entry { message_at: other, ..entry },
            ] {
                assert_eq!(parse(&data(&[entry], &rest), OWN), None, "{other}");
            }
        }
    }

    #[test]
    fn part_beyond_the_data_is_refused() {
        let (entry, rest) = one();
        for entry in [
            Entry { signature: 52, ..entry },
            Entry { key: 84, ..entry },
            Entry { message: 113, ..entry },
            Entry { len: 4, ..entry },
            Entry { message: u16::MAX, ..entry },
            Entry { key: u16::MAX, ..entry },
            Entry { signature: u16::MAX, ..entry },
            Entry { len: u16::MAX, ..entry },
        ] {
            assert_eq!(parse(&data(&[entry], &rest), OWN), None);
        }
    }

    #[test]
    fn header_without_entries_or_cut_short_is_refused() {
        let (entry, rest) = one();
        let whole = data(&[entry], &rest);
        for len in 0..16 {
            assert_eq!(parse(&whole[..len], OWN), None, "{len}");
        }
        let mut none = whole.clone();
        none[0] = 0;
        assert_eq!(parse(&none, OWN), None);
        let mut padded = whole.clone();
        padded[1] = 1;
        assert_eq!(parse(&padded, OWN), None);
        let mut many = whole;
        many[0] = 255;
        assert_eq!(parse(&many, OWN), None);
    }

    #[test]
    fn two_messages_of_one_key_are_read_in_order() {
        let at = THIS_INSTRUCTION;
        let entry = |signature, message, len| Entry {
            key: 30,
            key_at: at,
            signature,
            signature_at: at,
            message,
            len,
            message_at: at,
        };
        let rest = [&[7; 32][..], &[8; 64], &[9; 64], b"abcde"].concat();
        let all = parse(&data(&[entry(62, 190, 3), entry(126, 193, 2)], &rest), OWN).unwrap();
        assert_eq!(
            (all[0].message.as_slice(), all[1].message.as_slice()),
            (&b"abc"[..], &b"de"[..])
        );
        assert_eq!((all.len(), all[1].signer), (2, Pubkey::new_from_array([7; 32])));
        // A bad second entry spoils the first.
        assert_eq!(parse(&data(&[entry(62, 190, 3), entry(126, 193, 9)], &rest), OWN), None);
    }
}
