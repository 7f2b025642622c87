//! Files of each kind go missing, or are cut, behind crashes and clean stops: what was acknowledged is there,
//! or the start says what is not.

use millrace_sim::sweep::{Subject, Sweep, SweepOptions};

fn check(options: SweepOptions, refused_least: u64) {
    let mut sweep = Sweep::of_losses(options);
    if let Some(failure) = sweep.run_to_failure() {
        panic!("{failure}");
    }
    let tally = sweep.tally();
    assert!(tally.refused_starts >= refused_least, "{tally:?}");
    assert!(
        tally.refused_starts < tally.cases,
        "what a start can do without is no reason to refuse: {tally:?}"
    );
}

#[test]
fn no_record_is_gone_without_a_refusal() {
    check(SweepOptions::new(5, 1, 60), 40);
}

#[test]
fn nor_where_logs_begin_later() {
    check(SweepOptions { subject: Subject::Retention, ..SweepOptions::new(7, 1, 100) }, 30);
}

#[test]
fn nor_where_logs_are_compacted() {
    check(SweepOptions { subject: Subject::Compaction, ..SweepOptions::new(8, 1, 100) }, 30);
}
