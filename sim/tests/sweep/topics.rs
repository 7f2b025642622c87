//! Topics deleted and created again under crashes, sampled.

use millrace_sim::sweep::{Subject, Sweep, SweepOptions};

fn check(seed: u64, shards: u16, every: u64) {
    let options = SweepOptions { subject: Subject::Topics, ..SweepOptions::new(seed, shards, every) };
    let mut sweep = Sweep::new(options);
    if let Some(failure) = sweep.run_to_failure() {
        panic!("{failure}");
    }
    assert!(sweep.tally().crashes > 0, "{:?}", sweep.tally());
}

#[test]
fn deleted_topics_stay_deleted_on_one_shard() {
    check(31, 1, 40);
}

#[test]
fn deleted_topics_stay_deleted_on_three_shards() {
    check(33, 3, 60);
}

#[test]
fn a_failing_disk_brings_no_deleted_topic_back() {
    for (shards, every) in [(1, 90), (3, 150)] {
        let options = SweepOptions { subject: Subject::Topics, ..SweepOptions::new(35, shards, every) };
        let mut sweep = Sweep::of_faults(options);
        if let Some(failure) = sweep.run_to_failure() {
            panic!("{failure}");
        }
    }
}
