//! Faults planted in a small decoder: the harness names each, and nothing where there is none.

use std::process::Command;

use millrace_sim::fuzz::{self, Fuzz, FuzzFailure, FuzzTally};

/// Enough for each fault under any seed.
const CASES: u64 = 2000;

fn run(name: &str, seed: u64) -> Result<FuzzTally, FuzzFailure> {
    Fuzz::new(fuzz::find(name).unwrap(), seed).run(CASES)
}

#[test]
fn planted_faults_are_caught() {
    for seed in 1..6 {
        for (name, what) in [
            ("planted-memory", "bytes of memory for an input of"),
            ("planted-round-trip", "another list is written"),
            ("planted-checksum", "damage is not noticed"),
        ] {
            let failure = run(name, seed).unwrap_err();
            assert!(failure.what.contains(what), "{name}: {}", failure.what);
        }
        let tally = run("planted-none", seed).unwrap();
        assert!(tally.decoded > CASES / 10 && tally.refused > CASES / 10, "{tally:?}");
    }
}

#[test]
fn a_failing_input_is_made_small_and_fails_again() {
    let failure = run("planted-memory", 1).unwrap_err();
    let again = fuzz::check_input(fuzz::find("planted-memory").unwrap(), &failure.input);
    assert!(again.is_err(), "{:x?}", failure.input);
    // Two bytes of count and four of checksum are the least.
    assert_eq!(failure.input.len(), 6, "{:x?}", failure.input);
}

/// A panic ends the process, which says with what it was busy; the same case ends it again.
#[test]
fn a_panic_names_its_case() {
    let fuzz = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_millrace-fuzz")).args(arguments).output().unwrap();
        assert!(!output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let said = fuzz(&["planted-panic", "--seconds", "60"]);
    let case = said.lines().find_map(|line| line.strip_prefix("while running ")).unwrap().to_owned();
    let again: Vec<&str> = case.split(' ').collect();
    assert!(fuzz(&again).contains(&case), "{case}");
}
