//! A sample of each target, so that a broken promise shows in a test run.

use millrace_sim::fuzz::{Fuzz, TARGETS};

const CASES: u64 = 400;

#[test]
fn every_target_holds_and_sees_good_and_bad_inputs() {
    for target in TARGETS {
        let tally = Fuzz::new(target, 1).run(CASES);
        let tally = tally
            .unwrap_or_else(|failure| panic!("{}, case {}: {}", target.name, failure.number, failure.what));
        assert_eq!(tally.decoded + tally.refused, CASES);
        // Fewer would mean that inputs are all good, or all refused before they reach anything.
        assert!(tally.decoded >= CASES / 12 && tally.refused >= CASES / 40, "{}: {tally:?}", target.name);
    }
}
