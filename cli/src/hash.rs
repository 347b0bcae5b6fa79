//! Hashes as people and state files write them.

use pinaivu_protocol::hash::Hash32;

/// Not a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 hexadecimal digits")]
pub(crate) struct HashError;

/// Reads 64 hexadecimal digits.
pub(crate) fn parse_hash(text: &str) -> Result<Hash32, HashError> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| HashError)?;
    Ok(Hash32(bytes))
}

#[cfg(test)]
mod tests {
    use super::parse_hash;
    use pinaivu_protocol::hash::Hash32;

    #[test]
    fn hash_is_64_hexadecimal_digits() {
        assert_eq!(parse_hash(&"0a".repeat(32)), Ok(Hash32([10; 32])));
        for wrong in ["", "0a", &"0a".repeat(33), &"0g".repeat(32)] {
            assert!(parse_hash(wrong).is_err(), "{wrong}");
        }
    }
}
