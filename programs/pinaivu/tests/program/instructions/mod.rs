//! One file per instruction. Each has a `case` that succeeds on the stage, from which the tests that
//! every instruction must pass are made here, and its own tests.

use crate::hostile::{self, Idl, Make};

/// Declares the files, and for each what every instruction must withstand.
macro_rules! instructions {
    ($($name:ident),* $(,)?) => {
        $(pub(crate) mod $name;)*

        /// Every instruction with its case.
        pub(crate) const ALL: &[(&str, Make)] = &[$((stringify!($name), $name::case)),*];

        mod tampered_with {
            $(#[test]
            fn $name() {
                super::withstands(stringify!($name), super::$name::case);
            })*
        }

        mod with_its_bytes_cut {
            $(#[test]
            fn $name() {
                super::hostile::cut(super::$name::case);
            })*
        }

        mod out_of_compute_units {
            $(#[test]
            fn $name() {
                super::hostile::starve(super::$name::case);
            })*
        }
    };
}

instructions! {
    allowance_close,
    allowance_exit,
    allowance_open,
    allowance_raise,
    allowance_release,
    claim,
    coordinator_bond,
    coordinator_close,
    coordinator_register,
    coordinator_rotate_signer,
    coordinator_unbond,
    coordinator_unbond_claim,
    coordinator_update,
    credit,
    debit,
    demand_open,
    demand_open_recorded,
    demand_settle,
    equivocation_heads,
    equivocation_log,
    equivocation_node,
    escrow_close,
    escrow_deposit,
    escrow_open,
    escrow_recover,
    escrow_sweep,
    escrow_withdraw,
    evidence_close,
    evidence_open,
    evidence_write,
    fee_claim,
    guarantee_lower,
    guarantee_refill,
    guarantee_set,
    log_epoch_open,
    log_extend,
    market_initialize,
    market_pause,
    measurement_allow,
    measurement_revoke,
    node_close,
    node_register,
    node_rotate_signer,
    node_stake,
    node_unbond,
    node_unbond_claim,
    payout_close,
    payout_open,
    proposal_apply,
    proposal_cancel,
    proposal_open,
    receipt_close,
    receipt_record,
    signer_close,
    voucher_accept,
}

/// Accounts tampered with, the instruction again, and beside every other: what is refused, and how.
fn withstands(name: &str, case: Make) {
    let accounts = hostile::tamper(name, case);
    let again = hostile::repeat(case);
    let pairs = hostile::pair(name, ALL);
    let report = format!("{accounts}\nagain\n{again}\nrefused together\n{pairs}");
    insta::with_settings!({ snapshot_suffix => name, omit_expression => true }, {
        insta::assert_snapshot!("withstands", report);
    });
}

#[test]
fn instructions_of_the_idl_all_have_a_case() {
    let cases: Vec<&str> = ALL.iter().map(|(name, _)| *name).collect();
    let idl = Idl::read();
    let known: Vec<&str> = idl.instructions.keys().map(String::as_str).collect();
    assert_eq!(cases, known);
}
