//! Crashes over the whole run, sampled, and disks that fail once; the journal wraps at least three times.

use millrace_core::journal::JOURNAL_BYTES_MIN;
use millrace_rt::world::Crash;
use millrace_sim::sweep::{Blow, Case, Subject, Sweep, SweepOptions, TopicsOn, Trial, run};
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
fn the_workload_wraps_the_journals_three_times() {
    for shards in [1, 3] {
        let volume = SweepOptions::new(1, shards, 1).volume;
        let written = run(&Workload::new(1, volume), &Case::quiet(shards)).journal_bytes;
        let least = u64::from(shards) * 3 * JOURNAL_BYTES_MIN;
        assert!(written >= least, "{shards} shards wrote {written} bytes to their journals, not {least}");
    }
}

#[test]
fn nothing_acknowledged_is_lost_on_one_shard() {
    check(1, 1, 250);
}

#[test]
fn nothing_acknowledged_is_lost_on_two_shards() {
    check(2, 2, 150);
}

#[test]
fn nothing_acknowledged_is_lost_on_three_shards() {
    check(3, 3, 150);
}

/// The ring of a killed process held the last block of an extent again. The start behind it is cut off by a
/// power loss, and the journal before the ring knows that block from the file alone:
/// no start may have shortened that.
#[test]
fn a_start_keeps_what_the_journal_before_it_knows_from_the_file_alone() {
    let trial = |operation, kind| Trial { blow: Some(Blow { operation, kind }), squeeze: None };
    let mut case = Case::quiet(2);
    case.trials = vec![trial(171, Crash::Process), trial(94, Crash::Power)];
    let outcome = run(&Workload::new(1, SweepOptions::new(1, 2, 1).volume), &case);
    assert_eq!((outcome.crashes, outcome.violations), (2, Vec::<String>::new()));
}

/// Of the mebibyte that each shard has, tails get a half: each partition's leave it while others come in.
#[test]
fn nothing_is_lost_where_tails_leave_memory() {
    for (seed, shards) in [(11, 1), (12, 2)] {
        let memory_bytes = u64::from(shards) << 20;
        let mut sweep = Sweep::new(SweepOptions { memory_bytes, ..SweepOptions::new(seed, shards, 150) });
        if let Some(failure) = sweep.run_to_failure() {
            panic!("{failure}");
        }
        assert!(sweep.tally().crashes > 0, "{:?}", sweep.tally());
    }
}

#[test]
fn a_failing_disk_ends_the_process_and_loses_nothing() {
    let options = SweepOptions { volume: Volume::SMALL, ..SweepOptions::new(6, 1, 40) };
    let mut sweep = Sweep::of_faults(options);
    if let Some(failure) = sweep.run_to_failure() {
        panic!("{failure}");
    }
}

#[test]
fn a_failing_disk_ends_two_shards_and_loses_nothing() {
    let options = SweepOptions { volume: Volume::SMALL, ..SweepOptions::new(7, 2, 90) };
    let mut sweep = Sweep::of_faults(options);
    if let Some(failure) = sweep.run_to_failure() {
        panic!("{failure}");
    }
}

#[test]
fn a_full_disk_is_waited_out_and_loses_nothing() {
    let mut sweep = Sweep::of_full_disks(SweepOptions::new(8, 1, 80));
    if let Some(failure) = sweep.run_to_failure() {
        panic!("{failure}");
    }
    assert!(sweep.tally().crashes > 0, "{:?}", sweep.tally());
    assert!(sweep.tally().refusals > 0, "{:?}", sweep.tally());
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let workload = Workload::new(5, Volume::SMALL);
    let trace = || run(&workload, &Case::quiet(2)).trace;
    let first = trace();
    assert!(first.iter().any(|line| line.contains("acknowledged")));
    assert_eq!(first, trace());
}

/// A sync of the data directory's file system does not reach that of the topics.
#[test]
fn nothing_is_lost_where_topics_are_on_a_disk_of_their_own() {
    for (subject, every) in [(Subject::Records, 120), (Subject::Retention, 80), (Subject::Compaction, 80)] {
        let topics_on = TopicsOn::DiskOfTheirOwn;
        let mut sweep = Sweep::new(SweepOptions { subject, topics_on, ..SweepOptions::new(9, 1, every) });
        if let Some(failure) = sweep.run_to_failure() {
            panic!("{failure}");
        }
    }
}
