//! Evidence where there is no hardware to vouch for anything.
//!
//! It lets the whole path be run and looked at on any machine. Everybody can make the same bytes, so
//! they prove nothing; [`crate::verify`] never accepts them, and everything that shows them says
//! *unattested*.

use crate::attester::{AttestError, Attester};
use crate::binding::{Binding, Nonce};
use crate::evidence::{Evidence, Kind};

/// The first line of the document, for whoever looks at the bytes.
const LABEL: &[u8] = b"UNATTESTED: development evidence, proves nothing\n";

/// Makes development evidence.
#[derive(Clone, Copy, Debug, Default)]
pub struct Development;

impl Attester for Development {
    fn kind(&self) -> Kind {
        Kind::Development
    }

    fn attest(&self, binding: &Binding, nonce: &Nonce) -> Result<Evidence, AttestError> {
        let document = [LABEL, binding.report_data(nonce).as_slice()].concat();
        let (binding, nonce) = (*binding, *nonce);
        Ok(Evidence { kind: Kind::Development, binding, nonce, document, collateral: None })
    }
}
