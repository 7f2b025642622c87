//! Crashes over the whole run, sampled; the journal wraps at least three times.

use millrace_core::journal::JOURNAL_BYTES_MIN;
use millrace_sim::sweep::{Case, Sweep, SweepOptions, run};
use millrace_sim::{Volume, Workload};

fn check(seed: u64, shards: u16, every: u64) {
    let volume = Volume::WRAPPING;
    let mut sweep = Sweep::new(SweepOptions { volume, ..SweepOptions::new(seed, shards, every) });
    if let Some(failure) = sweep.run_to_failure() {
        panic!("{failure}");
    }
    assert!(sweep.tally().crashes > 0, "{:?}", sweep.tally());
}

#[test]
fn the_workload_wraps_the_journal_three_times() {
    let workload = Workload::new(1, Volume::WRAPPING);
    assert!(workload.bytes() as u64 >= 3 * JOURNAL_BYTES_MIN, "{}", workload.bytes());
}

#[test]
fn nothing_acknowledged_is_lost_on_one_shard() {
    check(1, 1, 120);
}

#[test]
fn nothing_acknowledged_is_lost_on_two_shards() {
    check(2, 2, 300);
}

#[test]
fn nothing_acknowledged_is_lost_on_three_shards() {
    check(3, 3, 300);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let workload = Workload::new(5, Volume::SMALL);
    let trace = || run(&workload, &Case::quiet(2)).trace;
    let first = trace();
    assert!(first.iter().any(|line| line.contains("acknowledged")));
    assert_eq!(first, trace());
}
