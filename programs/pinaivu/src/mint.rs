//! Which mints are accepted.
//!
//! Balances here are sums that nobody but the program may change, so a mint must not let anyone else
//! move, take, freeze by default, tax or delay tokens, nor be closed and made anew under other rules.
//! A classic mint cannot. Of Token-2022's extensions only those that describe the mint or put it in a
//! group are accepted; a list of what is allowed also refuses what does not exist yet.

use anchor_lang::prelude::*;

use crate::error::PinaivuError;

/// Length of a mint without extensions.
const MINT_LEN: usize = 82;

/// Length of a token account; extensions of mints begin after as many bytes too, so that the two kinds
/// cannot be mistaken for each other.
const PADDED_LEN: usize = 165;

/// The byte after the padding, for mints.
const ACCOUNT_TYPE_MINT: u8 = 1;

/// Ends the list of extensions.
const UNINITIALIZED: u16 = 0;

/// Token-2022's numbers of metadata pointer, metadata, group pointer, group, group member pointer, and
/// group member.
const ACCEPTED: [u16; 6] = [18, 19, 20, 21, 22, 23];

/// Refuses a mint with an extension that is not accepted.
pub(crate) fn require_accepted(mint: &AccountInfo<'_>) -> Result<()> {
    let data = mint.try_borrow_data()?;
    require!(is_accepted(&data), PinaivuError::MintHasExtensions);
    Ok(())
}

fn is_accepted(data: &[u8]) -> bool {
    data.len() == MINT_LEN || extensions_accepted(data) == Some(true)
}

/// Nothing when the bytes are not a mint with extensions.
fn extensions_accepted(data: &[u8]) -> Option<bool> {
    let (account_type, mut rest) = data.get(PADDED_LEN..)?.split_first()?;
    if *account_type != ACCOUNT_TYPE_MINT {
        return None;
    }
    // Type and length as u16, then as many bytes; fewer than a type is slack at the end.
    while let Some((kind, after)) = rest.split_first_chunk::<2>() {
        let kind = u16::from_le_bytes(*kind);
        if kind == UNINITIALIZED {
            return Some(true);
        }
        let (len, after) = after.split_first_chunk::<2>()?;
        rest = after.get(usize::from(u16::from_le_bytes(*len))..)?;
        if !ACCEPTED.contains(&kind) {
            return Some(false);
        }
    }
    Some(true)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;

    fn mint(extensions: &[(u16, usize)]) -> Vec<u8> {
        let mut data = vec![0; PADDED_LEN];
        data.push(ACCOUNT_TYPE_MINT);
        for (kind, len) in extensions {
            data.extend(kind.to_le_bytes());
            data.extend(u16::try_from(*len).unwrap().to_le_bytes());
            data.resize(data.len().checked_add(*len).unwrap(), 0xff);
        }
        data
    }

    #[test]
    fn mint_without_extensions_or_with_descriptions_is_accepted() {
        assert!(is_accepted(&[0; MINT_LEN]));
        assert!(is_accepted(&mint(&[])));
        assert!(is_accepted(&mint(&[(18, 64), (19, 300)])));
        assert!(is_accepted(&mint(&[(20, 64), (21, 80), (22, 64), (23, 72)])));
    }

    #[test]
    fn mint_with_any_other_extension_is_refused_wherever_it_stands() {
        for kind in (1..1_000).filter(|kind| !ACCEPTED.contains(kind)) {
            assert!(!is_accepted(&mint(&[(kind, 8)])), "{kind}");
            assert!(!is_accepted(&mint(&[(18, 64), (kind, 0)])), "{kind}");
        }
    }

    #[test]
    fn list_of_extensions_ends_with_the_first_empty_type() {
        let mut data = mint(&[(18, 64)]);
        data.extend([0; 4]);
        assert!(is_accepted(&data));
        data.push(0);
        assert!(is_accepted(&data));
    }

    #[test]
    fn bytes_that_are_not_a_mint_are_refused() {
        for len in [0, MINT_LEN - 1, MINT_LEN + 1, PADDED_LEN] {
            assert!(!is_accepted(&vec![0; len]), "{len}");
        }
        let mut account = mint(&[]);
        account[PADDED_LEN] = 2;
        assert!(!is_accepted(&account));
        let whole = mint(&[(18, 64)]);
        assert!(!is_accepted(&whole[..whole.len() - 1]));
        assert!(!is_accepted(&whole[..PADDED_LEN + 4]));
    }
}
