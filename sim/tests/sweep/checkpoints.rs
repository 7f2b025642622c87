//! Crashes behind which no checkpoint can be used, sampled: segments and frames alone tell what the logs are.

use millrace_sim::sweep::{Between, Subject, Sweep, SweepOptions};

fn check(subject: Subject, seed: u64, shards: u16, every: u64) {
    let between = Between::DamagedCheckpoints;
    let mut sweep = Sweep::new(SweepOptions { subject, between, ..SweepOptions::new(seed, shards, every) });
    if let Some(failure) = sweep.run_to_failure() {
        panic!("{failure}");
    }
    assert!(sweep.tally().crashes > 0, "{:?}", sweep.tally());
}

#[test]
fn nothing_acknowledged_is_lost_without_a_checkpoint() {
    check(Subject::Records, 51, 1, 250);
    check(Subject::Records, 52, 2, 400);
}

#[test]
fn deleted_records_stay_deleted_without_a_checkpoint() {
    check(Subject::Retention, 53, 1, 60);
    check(Subject::Retention, 54, 3, 200);
}

#[test]
fn deleted_topics_stay_deleted_without_a_checkpoint() {
    check(Subject::Topics, 55, 1, 60);
}
