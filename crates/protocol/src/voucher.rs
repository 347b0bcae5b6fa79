//! A user's signed limit on what one allowance may be debited.
//!
//! The layout is that of `solana-foundation/payment-channels`, with the allowance's address as the
//! channel: `0x56 0x01 ‖ channel (32) ‖ cumulative (u64 LE) ‖ expiry (i64 LE)`, fifty bytes, signed as
//! they are with Ed25519. The address is derived from market, cluster and program, so a voucher counts
//! nowhere else; the two leading bytes keep it apart from our own tagged records and from transactions.

use crate::ids::AllowanceId;
use crate::units::Amount;

/// Length of the signed bytes.
pub const VOUCHER_BYTES: usize = 50;

/// The first two bytes: `V` and the version.
pub const VOUCHER_MAGIC: [u8; 2] = [0x56, 0x01];

/// A limit on the cumulative debit of one allowance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Voucher {
    /// What is limited.
    pub allowance: AllowanceId,
    /// The most that may be debited in all.
    pub cumulative: Amount,
    /// From this time on (seconds since 1970) the voucher cannot be presented; 0: it always can.
    pub expiry: i64,
}

impl Voucher {
    /// The bytes under the signature.
    #[must_use]
    pub fn signing_bytes(&self) -> [u8; VOUCHER_BYTES] {
        let mut bytes = [0; VOUCHER_BYTES];
        let parts: [&[u8]; 4] = [
            &VOUCHER_MAGIC,
            &self.allowance.0,
            &self.cumulative.0.to_le_bytes(),
            &self.expiry.to_le_bytes(),
        ];
        // Two, 32, eight and eight bytes: exactly the array.
        for (to, from) in bytes.iter_mut().zip(parts.into_iter().flatten()) {
            *to = *from;
        }
        bytes
    }

    /// Reads exactly one voucher. Verifies nothing.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; VOUCHER_BYTES] = bytes.try_into().ok()?;
        let (magic, rest) = bytes.split_first_chunk::<2>()?;
        let (allowance, rest) = rest.split_first_chunk::<32>()?;
        let (cumulative, rest) = rest.split_first_chunk::<8>()?;
        let expiry: &[u8; 8] = rest.try_into().ok()?;
        (*magic == VOUCHER_MAGIC).then(|| Self {
            allowance: AllowanceId(*allowance),
            cumulative: Amount(u64::from_le_bytes(*cumulative)),
            expiry: i64::from_le_bytes(*expiry),
        })
    }

    /// Whether it may be presented at `now`, in seconds since 1970.
    #[must_use]
    pub const fn is_current(&self, now: i64) -> bool {
        self.expiry == 0 || now < self.expiry
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const VOUCHER: Voucher = Voucher {
        allowance: AllowanceId([7; 32]),
        cumulative: Amount(0x0102_0304_0506_0708),
        expiry: -2,
    };

    #[test]
    fn voucher_has_the_layout_of_payment_channels() {
        let bytes = VOUCHER.signing_bytes();
        assert_eq!(bytes[..2], [0x56, 0x01]);
        assert_eq!(bytes[2..34], [7; 32]);
        assert_eq!(bytes[34..42], [8, 7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(bytes[42..], [0xfe, 255, 255, 255, 255, 255, 255, 255]);
        assert_eq!(Voucher::decode(&bytes), Some(VOUCHER));
    }

    #[test]
    fn voucher_of_another_length_or_magic_is_refused() {
        let bytes = VOUCHER.signing_bytes();
        assert_eq!(Voucher::decode(&bytes[..49]), None);
        assert_eq!(Voucher::decode(&[&bytes[..], &[0]].concat()), None);
        for at in 0..2 {
            let mut other = bytes;
            *other.get_mut(at).unwrap() ^= 1;
            assert_eq!(Voucher::decode(&other), None);
        }
    }

    #[test]
    fn voucher_ends_with_its_expiry_and_never_without_one() {
        let until = Voucher { expiry: 10, ..VOUCHER };
        assert!(until.is_current(9) && !until.is_current(10) && !until.is_current(11));
        assert!(Voucher { expiry: 0, ..VOUCHER }.is_current(i64::MAX));
        assert!(!VOUCHER.is_current(0));
    }
}
