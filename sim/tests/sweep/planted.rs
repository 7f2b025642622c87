//! Faults that the sweep must catch.

use millrace_rt::world::DiskFault;
use millrace_shard::Planted;
use millrace_sim::Volume;
use millrace_sim::sweep::{Subject, Sweep, SweepOptions};

/// The sweep finds the fault: sooner or later a case fails in the words expected;
/// others may fail in other words.
fn finds(mut sweep: Sweep, expected: &str) {
    let mut seen = 0;
    while sweep.step() {
        let new = sweep.tally().failures.iter().skip(seen).flat_map(|failure| &failure.violations);
        if new.into_iter().any(|violation| violation.contains(expected)) {
            return;
        }
        seen = sweep.tally().failures.len();
    }
    panic!("{expected} was not found: {:?}", sweep.tally());
}

fn check(fault: DiskFault, planted: Option<Planted>, expected: &str) {
    let options = SweepOptions { volume: Volume::SMALL, fault, planted, ..SweepOptions::new(21, 1, 1) };
    finds(Sweep::new(options), expected);
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
fn an_extent_that_is_not_hard_before_its_frame_is_caught() {
    let planted = Some(Planted::TrustsSoftExtents);
    finds(Sweep::new(SweepOptions { planted, ..SweepOptions::new(23, 1, 9) }), "the journal knows");
}

#[test]
fn a_file_that_is_not_hard_before_its_extent_is_caught() {
    let planted = Some(Planted::TrustsSoftFiles);
    finds(Sweep::new(SweepOptions { planted, ..SweepOptions::new(23, 1, 9) }), "entity not found");
}

#[test]
fn segments_that_are_not_hard_when_the_journal_gives_them_up_are_caught() {
    let planted = Some(Planted::TrustsSoftSegments);
    finds(
        Sweep::new(SweepOptions { planted, ..SweepOptions::new(23, 1, 9) }),
        "after a clean stop its files hold",
    );
}

/// The sweep of topics finds the fault.
fn check_topics(planted: Planted, expected: &str) {
    let options =
        SweepOptions { subject: Subject::Topics, planted: Some(planted), ..SweepOptions::new(22, 2, 40) };
    finds(Sweep::new(options), expected);
}

#[test]
fn a_deletion_that_is_forgotten_is_caught() {
    // The name was given again before the crash: the log of metadata contradicts itself.
    check_topics(Planted::ForgetsDeletions, "is created twice");
}

#[test]
fn partitions_that_are_forgotten_are_caught() {
    // Where a batch was appended to one, the start itself says so.
    check_topics(Planted::ForgetsPartitions, "it neither has partition");
}

#[test]
fn a_quota_that_is_forgotten_is_caught() {
    check_topics(Planted::ForgetsQuotas, "the quotas of");
}

#[test]
fn a_level_of_a_feature_that_is_forgotten_is_caught() {
    check_topics(Planted::ForgetsFeatures, "group.version is at level");
}

#[test]
fn files_that_outlive_their_topic_are_caught() {
    check_topics(Planted::KeepsDeletedFiles, "files of a deleted topic are still there");
}

#[test]
fn a_start_of_a_log_that_is_forgotten_is_caught() {
    let planted = Some(Planted::ForgetsLogStarts);
    let options = SweepOptions { subject: Subject::Retention, planted, ..SweepOptions::new(41, 1, 60) };
    let mut sweep = Sweep::new(options);
    let failure = sweep.run_to_failure();
    assert!(failure.is_some_and(|failure| !failure.violations.is_empty()));
}

#[test]
fn a_failed_journal_write_that_is_trusted_is_caught() {
    let planted = Some(Planted::TrustsFailedWrites);
    let options = SweepOptions { volume: Volume::SMALL, planted, ..SweepOptions::new(6, 1, 4) };
    finds(Sweep::of_faults(options), "the node went on after a write");
}

#[test]
fn a_reserve_that_is_not_kept_is_caught() {
    let planted = Some(Planted::IgnoresReserve);
    // More than the reserve.
    let volume = Volume { busy_bytes: 48 << 20, ..Volume::WRAPPING };
    let options = SweepOptions { planted, volume, ..SweepOptions::new(8, 1, 2_000) };
    finds(Sweep::of_full_disks(options), "in spite of the reserve");
}

#[test]
fn a_full_disk_that_is_trusted_is_caught() {
    let planted = Some(Planted::TrustsFullDisk);
    let mut sweep = Sweep::of_full_disks(SweepOptions { planted, ..SweepOptions::new(8, 1, 80) });
    let failure = sweep.run_to_failure();
    assert!(failure.is_some_and(|failure| !failure.violations.is_empty()));
}

#[test]
fn without_a_fault_the_same_sweep_passes() {
    let options = SweepOptions { volume: Volume::SMALL, ..SweepOptions::new(21, 1, 21) };
    let mut sweep = Sweep::new(options);
    assert!(sweep.run_to_failure().is_none());
}
