//! The differential guard: the committed guard program, run in LiteSVM, must compute what the same
//! code computes natively.
//!
//! It stands for the toolchain that built it: a wrong instruction, library call, calling convention
//! or standard library shows here before it shows in a program that holds money.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use litesvm::LiteSVM;
use sbf_guard::{Kind, compute, instruction_data};
use solana_compute_budget_interface::ComputeBudgetInstruction;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_message::Message;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;
use solana_transaction::Transaction;

const SEEDS_PER_KIND: u64 = 200;

/// The most that one transaction may use.
const COMPUTE_UNITS: u32 = 1_400_000;

/// One chain with the guard program on it.
struct Chain {
    svm: LiteSVM,
    program: Pubkey,
    payer: Keypair,
}

impl Chain {
    fn with_program(mut svm: LiteSVM, bytes: &[u8]) -> Self {
        let program = Pubkey::new_from_array([7; 32]);
        let payer = Keypair::new_from_array([9; 32]);
        svm.airdrop(&payer.pubkey(), 1_000_000_000_000).unwrap();
        svm.add_program(program, bytes).unwrap();
        Self { svm, program, payer }
    }

    /// What the program returns, or why it failed.
    fn compute(&mut self, kind: Kind, seed: u64) -> Result<u64, String> {
        let instructions = [
            ComputeBudgetInstruction::set_compute_unit_limit(COMPUTE_UNITS),
            Instruction {
                program_id: self.program,
                accounts: Vec::new(),
                data: instruction_data(kind, seed),
            },
        ];
        self.svm.expire_blockhash();
        let transaction = Transaction::new(
            &[&self.payer],
            Message::new(&instructions, Some(&self.payer.pubkey())),
            self.svm.latest_blockhash(),
        );
        match self.svm.send_transaction(transaction) {
            // The runtime cuts trailing zeros off return data.
            Ok(done) => {
                let mut result = [0; 8];
                let data = done.return_data.data;
                result[..data.len()].copy_from_slice(&data);
                Ok(u64::from_le_bytes(result))
            }
            Err(failed) => Err(format!("{:?} {:?}", failed.err, failed.meta.logs)),
        }
    }

    /// Every seed of `kind` for which native code and program disagree, with what each said.
    fn disagreements(&mut self, kind: Kind, seeds: u64) -> Vec<String> {
        (1..=seeds)
            .map(|index| index.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(kind.number()))
            .filter_map(|seed| {
                let native = compute(kind, seed);
                match self.compute(kind, seed) {
                    Ok(result) if result == native => None,
                    other => Some(format!(
                        "{kind:?} seed {seed:#x}: native {native:#x}, program {other:x?}"
                    )),
                }
            })
            .collect()
    }
}

fn guard_program() -> Vec<u8> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/sbf/guard/artifact/sbf_guard.so");
    std::fs::read(path).unwrap()
}

/// The guard program with the lowest bit of the hash's multiplier turned over: two instructions
/// away from right.
fn altered_program() -> Vec<u8> {
    let mut bytes = guard_program();
    let prime_low = 0x0000_01b3_u32.to_le_bytes();
    let prime_high = 0x0000_0100_u32.to_le_bytes();
    let loads: Vec<usize> = (0..bytes.len() - 16)
        .step_by(8)
        .filter(|at| bytes[at + 4..at + 8] == prime_low && bytes[at + 12..at + 16] == prime_high)
        .collect();
    assert!(!loads.is_empty(), "the program does not load the hash's multiplier");
    for load in loads {
        bytes[load + 4] ^= 2;
    }
    bytes
}

macro_rules! agrees {
    ($($test:ident: $kind:ident,)*) => {
        $(
            #[test]
            fn $test() {
                for svm in [LiteSVM::new(), LiteSVM::new().with_mainnet_features()] {
                    let mut chain = Chain::with_program(svm, &guard_program());
                    let found = chain.disagreements(Kind::$kind, SEEDS_PER_KIND);
                    assert!(found.is_empty(), "{} disagree, first: {:?}", found.len(), found.first());
                }
            }
        )*
    };
}

agrees! {
    integers_on_sbf_equal_native: Integers,
    wide_integers_on_sbf_equal_native: Wide,
    collections_on_sbf_equal_native: Collections,
    text_on_sbf_equals_native: Text,
    enums_on_sbf_equal_native: Enums,
    calls_on_sbf_equal_native: Calls,
    floats_on_sbf_equal_native: Floats,
    bytes_on_sbf_equal_native: Bytes,
}

#[test]
fn program_that_computes_differently_disagrees_for_every_kind() {
    let mut chain = Chain::with_program(LiteSVM::new(), &altered_program());
    for kind in Kind::ALL {
        assert_eq!(chain.disagreements(kind, 3).len(), 3, "{kind:?}");
    }
}

#[test]
fn unknown_kind_or_short_data_is_refused() {
    let mut chain = Chain::with_program(LiteSVM::new(), &guard_program());
    for data in [vec![], vec![8, 0, 0, 0, 0, 0, 0, 0, 0], vec![0, 1]] {
        let instruction = Instruction { program_id: chain.program, accounts: Vec::new(), data };
        let transaction = Transaction::new(
            &[&chain.payer],
            Message::new(&[instruction], Some(&chain.payer.pubkey())),
            chain.svm.latest_blockhash(),
        );
        assert!(chain.svm.send_transaction(transaction).is_err());
    }
}
