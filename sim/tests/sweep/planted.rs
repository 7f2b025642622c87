//! Faults that the sweep must catch.

use millrace_rt::world::DiskFault;
use millrace_shard::Planted;
use millrace_sim::Volume;
use millrace_sim::sweep::{Sweep, SweepOptions};

/// The sweep of a small workload finds the fault.
fn check(fault: DiskFault, planted: Option<Planted>, expected: &str) {
    let options = SweepOptions { volume: Volume::SMALL, fault, planted, ..SweepOptions::new(21, 1, 7) };
    let mut sweep = Sweep::new(options);
    let failure = sweep.run_to_failure();
    let violations = failure.map(|failure| failure.violations.join("\n")).unwrap_or_default();
    assert!(violations.contains(expected), "{fault:?} {planted:?}: {violations}");
}

#[test]
fn a_write_that_is_not_hardened_is_caught() {
    check(DiskFault::IgnoreDsync, None, "acknowledged");
}

#[test]
fn an_answer_before_the_write_is_hard_is_caught() {
    check(DiskFault::None, Some(Planted::AnswersTooEarly), "is gone");
}

#[test]
fn without_a_fault_the_same_sweep_passes() {
    let options = SweepOptions { volume: Volume::SMALL, ..SweepOptions::new(21, 1, 21) };
    let mut sweep = Sweep::new(options);
    assert!(sweep.run_to_failure().is_none());
}
