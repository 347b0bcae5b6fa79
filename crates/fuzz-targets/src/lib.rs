//! What is fuzzed: one function for every decoder that meets bytes of strangers.
//!
//! Each takes any bytes, decodes them, and panics only when something is wrong: the decoder panicked, or
//! what it accepted does not encode to the bytes it came from where the format is canonical. Refusing is
//! fine. `cargo xtask fuzz` runs the functions under libFuzzer; `tests/replay.rs` runs them over seeds,
//! kept reproducers and a fixed sequence of mutations in every ordinary test run, on Linux also with little
//! memory to be had.
//!
//! Files that only their own program writes (the state of a witness or of an audit) are not here.

mod error;
mod formats;
mod instruction;
mod openai;
mod records;
mod seeds;

#[path = "../../../programs/pinaivu/src/ed25519.rs"]
mod ed25519;

use std::path::PathBuf;

/// A decoder under test.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, also that of its folder of reproducers.
    pub name: &'static str,
    /// Decodes any bytes.
    pub run: fn(&[u8]),
    /// Inputs that it accepts, to start from.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: [Target; 20] = [
    Target { name: "receipt", run: records::receipt, seeds: seeds::receipts },
    Target { name: "ask", run: records::ask, seeds: seeds::asks },
    Target {
        name: "acknowledgement",
        run: records::acknowledgement,
        seeds: seeds::acknowledgements,
    },
    Target { name: "book", run: records::book, seeds: seeds::book },
    Target { name: "ticket", run: records::ticket, seeds: seeds::tickets },
    Target { name: "proof", run: records::proof, seeds: seeds::proofs },
    Target { name: "tunnel", run: records::tunnel, seeds: seeds::tunnel },
    Target { name: "tunnel_frames", run: records::tunnel_frames, seeds: seeds::tunnel_frames },
    Target { name: "command", run: records::command, seeds: seeds::commands },
    Target { name: "note", run: formats::note, seeds: seeds::notes },
    Target { name: "checkpoint", run: formats::checkpoint, seeds: seeds::notes },
    Target { name: "log_proof", run: formats::log_proof, seeds: seeds::log_proofs },
    Target { name: "add_checkpoint", run: formats::add_checkpoint, seeds: seeds::add_checkpoints },
    Target { name: "entries", run: formats::entries, seeds: seeds::entries },
    Target { name: "bundle", run: formats::bundle, seeds: seeds::bundles },
    Target { name: "owner_records", run: formats::owner_records, seeds: seeds::owner_records },
    Target { name: "attestation", run: formats::attestation, seeds: seeds::attestation },
    Target { name: "ed25519", run: instruction::ed25519, seeds: seeds::instructions },
    Target { name: "openai_body", run: openai::body, seeds: seeds::bodies },
    Target { name: "openai_stream", run: openai::stream, seeds: seeds::streams },
];

/// The target of a name.
#[must_use]
pub fn target(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}

/// Where the reproducers of a target are kept: inputs that once broke it.
#[must_use]
pub fn kept(target: &Target) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name)
}
