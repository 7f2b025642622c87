//! Consumer groups in the simulated world, as CI runs them: a few seeds, a sample of the crash sweep, and
//! planted faults that must be found.

use millrace_shard::Planted;
use millrace_sim::groups::{run_planted, run_seed};
use millrace_sim::sweep::{Subject, Sweep, SweepOptions};

#[test]
fn promises_are_kept() {
    let (mut acknowledgements, mut generations, mut crashes, mut put_off, mut turns) = (0, 0, 0, 0, 0);
    for seed in 0..12 {
        let report = run_seed(seed);
        assert_eq!(report.violations, Vec::<String>::new(), "replay with --groups --seed {seed}");
        acknowledgements += report.acknowledgements;
        generations += report.generations;
        crashes += report.crashes;
        put_off += report.put_off;
        turns += report.turns;
    }
    let seen = format!(
        "{acknowledgements} commits, {generations} generations, {crashes} crashes, {put_off} put off, {turns} turns"
    );
    assert!(acknowledgements > 1_000 && generations > 50 && crashes > 5 && put_off > 20, "{seen}");
    assert!(turns > 5, "{seen}");
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let (first, second) = (run_seed(7), run_seed(7));
    assert!(first.trace.iter().any(|line| line.contains("joins generation")));
    assert_eq!(first.trace, second.trace);
}

#[test]
fn crashes_take_nothing_from_groups() {
    for (seed, shards, every) in [(1, 1, 60), (2, 3, 90)] {
        let options = SweepOptions { subject: Subject::Groups, ..SweepOptions::new(seed, shards, every) };
        let mut sweep = Sweep::new(options);
        if let Some(failure) = sweep.run_to_failure() {
            panic!("{failure}");
        }
        assert!(sweep.tally().crashes > 0, "{:?}", sweep.tally());
    }
}

/// One of a few seeds fails in the words expected.
fn check(planted: Planted, expected: &str) {
    let mut seen = Vec::new();
    for seed in 0..SEEDS_MAX {
        let violations = run_planted(seed, planted).violations;
        if violations.iter().any(|violation| violation.contains(expected)) {
            return;
        }
        seen.extend(violations);
    }
    panic!("{expected} was not found, but {seen:?}");
}

/// Most faults are found by the first; what a full disk kept from the log shows in a crash at the right
/// moment only.
const SEEDS_MAX: u64 = 60;

#[test]
fn commits_that_nobody_wrote_are_caught() {
    check(Planted::ForgetsGroupWrites, "was committed, and is gone");
}

#[test]
fn what_a_full_disk_kept_from_the_log_of_a_group_is_caught() {
    check(Planted::TrustsFailedGroupWrites, " epoch ");
}

#[test]
fn an_answer_before_the_write_is_hard_is_caught() {
    let options = SweepOptions {
        subject: Subject::Groups,
        planted: Some(Planted::AnswersTooEarly),
        ..SweepOptions::new(3, 1, 3)
    };
    let mut sweep = Sweep::new(options);
    let failure = sweep.run_to_failure();
    let found = failure.is_some_and(|failure| {
        failure
            .violations
            .iter()
            .any(|it| it.contains("went back") || it.contains("is gone") || it.contains("behind"))
    });
    assert!(found, "{:?}", sweep.tally());
}

#[test]
fn an_assignment_that_is_not_the_leaders_is_caught() {
    check(Planted::GivesAllTheSame, "not from its leader");
}

#[test]
fn a_commit_of_an_old_generation_is_caught() {
    check(Planted::TrustsOldGenerations, "a commit of generation");
}

#[test]
fn silent_members_that_stay_are_caught() {
    check(Planted::IgnoresGroupTimeouts, "every group to be at rest");
}
