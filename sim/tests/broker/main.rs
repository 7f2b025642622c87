//! The whole broker in the simulated world, as CI runs it: a few seeds of what `millrace-sim --seeds` runs.

use millrace_sim::broker::run_seed;

#[test]
fn promises_are_kept() {
    for seed in 1..4 {
        let report = run_seed(seed);
        assert_eq!(report.violations, Vec::<String>::new(), "replay with --seed {seed}");
        assert!(report.acknowledgements > 100, "seed {seed}: {} acknowledgements", report.acknowledgements);
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let (first, second) = (run_seed(7), run_seed(7));
    assert!(first.trace.iter().any(|line| line.contains("is acknowledged at")));
    assert_eq!(first.trace, second.trace);
}
