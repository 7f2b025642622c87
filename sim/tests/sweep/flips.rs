//! A sample of bits flipped in every kind of file; `millrace-sim --sweep --flips` covers them all.

use millrace_sim::sweep::{FlipBench, Kind};

fn check(seed: u64, kinds: &[Kind], every: usize) {
    let bench = FlipBench::new(seed);
    let cases: Vec<usize> =
        (0..bench.cases()).filter(|case| kinds.contains(&bench.flip(*case).1.kind)).collect();
    for case in cases.into_iter().step_by(every) {
        let (scene, flip) = bench.flip(case);
        assert_eq!(bench.run(case), Vec::<String>::new(), "--case {case}, after a {scene}: {flip}");
    }
}

#[test]
fn a_damaged_segment_is_served_up_to_the_damage_and_no_further() {
    check(41, &[Kind::Segment], 397);
}

#[test]
fn damaged_indexes_and_manifests_hide_nothing() {
    check(42, &[Kind::Index, Kind::Manifest], 499);
}

#[test]
fn without_a_checkpoint_the_segments_are_read() {
    check(43, &[Kind::Checkpoint], 2_003);
    // The power fails while a slot is filled anew, and of the frames that the older checkpoint needs some are overwritten.
    check(1, &[Kind::Checkpoint], 2_003);
}

#[test]
fn a_damaged_journal_or_metadata_log_is_refused_or_was_never_promised() {
    check(44, &[Kind::Slot, Kind::Metadata], 997);
}
