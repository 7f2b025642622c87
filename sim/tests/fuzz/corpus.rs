//! Inputs that broke a promise once, one file each below `corpus/<target>`; they must hold now.
#![expect(clippy::disallowed_methods, reason = "the test reads its own files")]

use std::fs;
use std::path::Path;

use millrace_sim::fuzz;

#[test]
fn what_failed_before_holds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let mut checked = 0;
    for folder in fs::read_dir(corpus).unwrap().map(Result::unwrap) {
        let name = folder.file_name().into_string().unwrap();
        let target = fuzz::find(&name).unwrap_or_else(|| panic!("no target is named {name}"));
        for file in fs::read_dir(folder.path()).unwrap().map(Result::unwrap) {
            let bytes = fuzz::from_hex(&fs::read_to_string(file.path()).unwrap());
            let verdict = fuzz::check_input(target, &bytes);
            assert!(verdict.is_ok(), "{}: {verdict:?}", file.path().display());
            checked += 1;
        }
    }
    assert!(checked > 0, "no input was found");
}
