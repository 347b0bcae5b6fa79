//! The golden vectors: they have not drifted from the code, and they are right by a second opinion.
//!
//! The first test alone would let a bug be blessed by writing the files again. So the modules below
//! recompute what the files say with the `sha2` crate, aws-lc-rs and code that shares nothing with
//! this crate, straight from the definitions.
#![cfg(feature = "std")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod evidence;
#[path = "../../examples/vectors/files.rs"]
mod files;
mod json;
mod merkle;
mod records;

use serde_json::Value;
use sha2::{Digest, Sha256};

#[test]
fn committed_files_equal_what_the_code_gives() {
    for (path, content) in files::all() {
        let committed = std::fs::read_to_string(&path).unwrap();
        assert!(
            committed == content,
            "{} differs from the code; see `cargo run -p pinaivu-protocol --example vectors`",
            path.display()
        );
    }
}

fn read(name: &str) -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/");
    serde_json::from_str(&std::fs::read_to_string(format!("{path}{name}")).unwrap()).unwrap()
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    parts.iter().fold(Sha256::new(), Digest::chain_update).finalize().into()
}

/// `SHA-256(tag ‖ 0x00 ‖ parts…)` in hexadecimal.
fn tagged(tag: &str, parts: &[&[u8]]) -> String {
    let mut all: Vec<&[u8]> = vec![tag.as_bytes(), &[0]];
    all.extend(parts);
    hex::encode(sha256(&all))
}

trait Fields {
    fn text(&self, name: &str) -> &str;
    fn list(&self, name: &str) -> &[Value];
    fn bytes(&self, name: &str) -> Vec<u8>;
    fn integer(&self, name: &str) -> u64;
}

impl Fields for Value {
    fn text(&self, name: &str) -> &str {
        self[name].as_str().unwrap_or_else(|| panic!("{name} of {self}"))
    }

    fn list(&self, name: &str) -> &[Value] {
        self[name].as_array().unwrap_or_else(|| panic!("{name} of {self}"))
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        hex::decode(self.text(name)).unwrap()
    }

    fn integer(&self, name: &str) -> u64 {
        self.text(name).parse().unwrap()
    }
}
