//! The producing side in an AWS Nitro enclave: `/dev/nsm`.

use std::path::Path;

use aws_nitro_enclaves_nsm_api::api::{Request, Response};
use aws_nitro_enclaves_nsm_api::driver::{nsm_exit, nsm_init, nsm_process_request};

use crate::attester::{AttestError, Attester};
use crate::binding::{Binding, Nonce};
use crate::evidence::{Evidence, Kind};

const DEVICE: &str = "/dev/nsm";

/// Whether this is a Nitro enclave.
pub(crate) fn present() -> bool {
    Path::new(DEVICE).exists()
}

/// Asks the enclave's security module: user data is the binding's digest, public key the signer.
#[derive(Clone, Copy, Debug)]
pub struct NitroAttester;

/// The device, closed when dropped.
struct Device(i32);

impl Device {
    fn open() -> Result<Self, AttestError> {
        match nsm_init() {
            descriptor if descriptor >= 0 => Ok(Self(descriptor)),
            _ => Err(AttestError::Nsm(format!("{DEVICE} cannot be opened"))),
        }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        nsm_exit(self.0);
    }
}

impl Attester for NitroAttester {
    fn kind(&self) -> Kind {
        Kind::Nitro
    }

    fn attest(&self, binding: &Binding, nonce: &Nonce) -> Result<Evidence, AttestError> {
        let device = Device::open()?;
        let request = Request::Attestation {
            user_data: Some(binding.digest().0.to_vec().into()),
            nonce: Some(nonce.0.to_vec().into()),
            public_key: Some(binding.signer.0.to_vec().into()),
        };
        let document = match nsm_process_request(device.0, request) {
            Response::Attestation { document } => document,
            Response::Error(code) => return Err(AttestError::Nsm(format!("{code:?}"))),
            _ => return Err(AttestError::Nsm("an answer to another question".to_owned())),
        };
        let (binding, nonce) = (*binding, *nonce);
        Ok(Evidence { kind: Kind::Nitro, binding, nonce, document, collateral: None })
    }
}
