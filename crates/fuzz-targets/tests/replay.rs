//! The fuzz targets in every ordinary test run: seeds, reproducers that are kept, and a fixed sequence of
//! mutations of both. What libFuzzer finds with hours, `cargo xtask fuzz` looks for.
//!
//! On Linux everything runs once more in a process that cannot have much memory: a decoder that takes a
//! length from its input for what it allocates ends it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::panic::catch_unwind;

use pinaivu_fuzz_targets::{TARGETS, Target, kept};

/// Mutations of each input.
const MUTATIONS: usize = 400;

/// xorshift64*: the same sequence everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }
}

/// One to four changes of the kinds that break parsers.
fn mutate(input: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=random.below(4) {
        let place = random.below(bytes.len() + 1);
        match random.below(7) {
            0 if place < bytes.len() => bytes[place] ^= 1 << random.below(8),
            1 if place < bytes.len() => {
                bytes[place] = [0, 1, 0x7f, 0x80, 0xff, b'\n', b'"', b'{'][random.below(8)];
            }
            2 => bytes.truncate(place),
            3 => bytes.insert(place, u8::try_from(random.below(256)).unwrap()),
            4 if place + 4 <= bytes.len() => {
                bytes[place..place + 4].copy_from_slice(&u32::MAX.to_le_bytes());
            }
            5 => {
                let end = place + random.below(bytes.len() + 1 - place);
                let again = bytes[place..end].to_vec();
                bytes.splice(place..place, again);
            }
            _ => {
                let from = random.below(other.len() + 1);
                bytes.truncate(place);
                bytes.extend_from_slice(&other[from..]);
            }
        }
    }
    bytes.truncate(64 * 1024);
    bytes
}

fn run(target: &Target, input: &[u8]) {
    if catch_unwind(|| (target.run)(input)).is_err() {
        panic!("{} breaks on {}", target.name, hex(input));
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn replay(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let mut inputs = (target.seeds)();
    assert!(!inputs.is_empty());
    if let Ok(folder) = std::fs::read_dir(kept(target)) {
        let mut files: Vec<_> = folder.map(|file| file.unwrap().path()).collect();
        files.sort();
        inputs.extend(files.iter().map(|file| std::fs::read(file).unwrap()));
    }
    run(target, &[]);
    let mut random = Random(0x7069_6e61_6976_7501);
    for input in &inputs {
        run(target, input);
        for _ in 0..MUTATIONS {
            let other = &inputs[random.below(inputs.len())];
            run(target, &mutate(input, other, &mut random));
        }
    }
}

macro_rules! targets {
    ($($test:ident: $name:literal,)*) => {
        $(#[test]
        fn $test() {
            replay($name);
        })*

        #[test]
        fn every_target_is_replayed() {
            let named = [$($name),*];
            let all: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(all, named);
        }
    };
}

targets! {
    receipt: "receipt",
    ask: "ask",
    acknowledgement: "acknowledgement",
    book: "book",
    ticket: "ticket",
    proof: "proof",
    tunnel: "tunnel",
    tunnel_frames: "tunnel_frames",
    command: "command",
    note: "note",
    checkpoint: "checkpoint",
    log_proof: "log_proof",
    add_checkpoint: "add_checkpoint",
    entries: "entries",
    bundle: "bundle",
    owner_records: "owner_records",
    attestation: "attestation",
    ed25519: "ed25519",
    openai_body: "openai_body",
    openai_stream: "openai_stream",
}

#[cfg(target_os = "linux")]
mod memory {
    //! The operating system counts, so that nothing here needs an allocator of its own. Address space and not
    //! what is resident: what a length asks for is mostly never touched.

    use std::process::{Command, Output};

    /// Address space of the process, in KiB. Inputs have at most 64 KiB; program, libraries and stacks take
    /// a tenth of it.
    const LIMIT: u64 = 512 * 1024;

    /// This test program again, with the limit.
    fn limited(arguments: &[&str]) -> Output {
        Command::new("sh")
            .arg("-c")
            .arg(format!("ulimit -v {LIMIT} && exec \"$0\" \"$@\""))
            .arg(std::env::current_exe().unwrap())
            .args(["--test-threads", "1"])
            .args(arguments)
            // One arena: each reserves more address space than it uses.
            .env("MALLOC_ARENA_MAX", "1")
            .output()
            .unwrap()
    }

    #[test]
    fn no_target_asks_for_more_memory_than_its_input_explains() {
        let output = limited(&["--skip", "memory::"]);
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}{errors}");
        // All of them ran.
        assert!(text.contains(&format!("{} passed", super::TARGETS.len() + 1)), "{text}");
    }

    #[test]
    fn decoder_that_believes_a_length_would_be_found() {
        let output = limited(&["--ignored", "--exact", "memory::believes_a_length"]);
        assert!(!output.status.success());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains("memory allocation of"), "{errors}");
    }

    /// What the limit is for. Without it, nothing happens: the memory is never touched.
    #[test]
    #[ignore = "ends its process under the limit, as it should"]
    fn believes_a_length() {
        let length = usize::try_from(u32::from_le_bytes([0xff; 4])).unwrap();
        let believed: Vec<u8> = Vec::with_capacity(std::hint::black_box(length));
        std::hint::black_box(&believed);
    }
}
