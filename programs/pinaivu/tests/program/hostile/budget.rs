//! Instructions that run out of compute units, wherever that happens: nothing may have changed.

use solana_compute_budget_interface::ComputeBudgetInstruction;

use super::case::Make;
use super::stage::{Stage, said};

/// How many points of the instruction are tried besides the last.
const POINTS: u64 = 40;

/// Stops the instruction at points all along its way and one unit before its end.
pub(crate) fn starve(case: Make) {
    let stage = Stage::new();
    let case = case(&stage);
    let mut world = stage.world.fork();
    let mut limited = |limit: u64| {
        let limit = u32::try_from(limit).unwrap();
        let limit = ComputeBudgetInstruction::set_compute_unit_limit(limit);
        let outcome =
            stage.attempt(&mut world, &case.transaction(&[limit, case.instruction.clone()]));
        if outcome.is_ok() {
            world = stage.world.fork();
        }
        outcome
    };
    let used = limited(1_400_000).unwrap().compute_units_consumed;
    for point in 0..POINTS {
        // What the budget instruction itself takes comes first.
        let outcome = said(&limited(150 + point * (used - 151) / POINTS));
        assert!(EXHAUSTED.contains(&outcome.as_str()), "{outcome} at {point} of {used}");
    }
    let outcome = said(&limited(used - 1));
    assert!(EXHAUSTED.contains(&outcome.as_str()), "{outcome} at the end of {used}");
    assert_eq!(said(&limited(used)), "accepted");
}

/// The runtime's words for it: between two instructions of the machine, and in a system call.
const EXHAUSTED: [&str; 2] = ["ProgramFailedToComplete", "ComputationalBudgetExceeded"];
