//! Logs that are compacted by key, under crashes and failing disks, sampled.

use millrace_shard::Planted;
use millrace_sim::sweep::{Between, Subject, Sweep, SweepOptions};

fn options(seed: u64, shards: u16, every: u64) -> SweepOptions {
    SweepOptions { subject: Subject::Compaction, ..SweepOptions::new(seed, shards, every) }
}

fn check(mut sweep: Sweep) {
    if let Some(failure) = sweep.run_to_failure() {
        panic!("{failure}");
    }
}

#[test]
fn the_last_values_survive_swaps_on_one_shard() {
    let mut sweep = Sweep::new(options(51, 1, 60));
    if let Some(failure) = sweep.run_to_failure() {
        panic!("{failure}");
    }
    assert!(sweep.tally().crashes > 0, "{:?}", sweep.tally());
}

#[test]
fn the_last_values_survive_swaps_on_three_shards() {
    check(Sweep::new(options(53, 3, 90)));
}

#[test]
fn frames_and_files_tell_of_swaps_without_checkpoints() {
    let between = Between::DamagedCheckpoints;
    check(Sweep::new(SweepOptions { between, ..options(55, 2, 120) }));
}

#[test]
fn a_failing_disk_loses_no_last_value() {
    check(Sweep::of_faults(options(57, 1, 150)));
}

#[test]
fn a_full_disk_loses_no_last_value() {
    check(Sweep::of_full_disks(options(57, 1, 400)));
}

#[test]
fn swaps_that_the_journal_is_not_told_of_are_caught() {
    let planted = Some(Planted::ForgetsSwaps);
    let mut sweep = Sweep::new(SweepOptions { planted, ..options(51, 1, 60) });
    assert!(sweep.run_to_failure().is_some());
}
