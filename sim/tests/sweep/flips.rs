//! A sample of bits flipped in every kind of file; `millrace-sim --sweep --flips` covers them all.

use millrace_sim::sweep::{Flip, FlipBench, Kind};

fn check(seed: u64, kinds: &[Kind], every: usize) {
    check_those(seed, every, |flip| kinds.contains(&flip.kind));
}

fn check_those(seed: u64, every: usize, wanted: impl Fn(&Flip) -> bool) {
    let bench = FlipBench::new(seed);
    let cases: Vec<usize> = (0..bench.cases()).filter(|case| wanted(&bench.flip(*case).1)).collect();
    assert!(cases.len() > every, "{} cases", cases.len());
    for case in cases.into_iter().step_by(every) {
        let (scene, flip) = bench.flip(case);
        assert_eq!(bench.run(case), Vec::<String>::new(), "--case {case}, after a {scene}: {flip}");
    }
}

#[test]
fn a_damaged_segment_is_served_up_to_the_damage_and_no_further() {
    check(41, &[Kind::Segment], 397);
}

/// All of them are in one interval of the index, together with what is appended behind them.
#[test]
fn a_damaged_header_does_not_hide_what_is_appended_later() {
    check_those(2, 2, |flip| {
        flip.kind == Kind::Segment && flip.at < 61 && flip.file.to_string_lossy().contains("/rare-0/")
    });
}

#[test]
fn damaged_indexes_and_manifests_hide_nothing() {
    check(42, &[Kind::Index, Kind::Manifest], 499);
}

#[test]
fn without_a_checkpoint_the_segments_are_read() {
    check(43, &[Kind::Checkpoint], 2_003);
    // The power fails while a slot is filled anew, and of the frames that the older checkpoint needs some are
    // overwritten.
    check(1, &[Kind::Checkpoint], 2_003);
}

#[test]
fn a_damaged_journal_or_metadata_log_is_refused_or_was_never_promised() {
    check(44, &[Kind::Slot, Kind::Metadata], 997);
}
