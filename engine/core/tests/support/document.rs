//! Parts of the documents that are written by tests: what stands between two marks is compared, or renewed.

use std::path::PathBuf;

/// Replaces, or compares, what stands between the two marks of a part. `MILLRACE_BLESS=1` asks for the first.
pub(crate) fn check(file: &str, part: &str, generated: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(file);
    #[expect(clippy::disallowed_methods, reason = "a test reads a file of the repository")]
    let text = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- begin {part} -->\n"), format!("<!-- end {part} -->"));
    let missing = || panic!("{file} has no marks of the part {part}");
    let start = text.find(&begin).unwrap_or_else(missing) + begin.len();
    let stop = text.find(&end).unwrap_or_else(missing);
    if text[start..stop] == *generated {
        return;
    }
    assert!(
        std::env::var_os("MILLRACE_BLESS").is_some(),
        "{file} is out of date in the part {part}; run with MILLRACE_BLESS=1"
    );
    let renewed = format!("{}{generated}{}", &text[..start], &text[stop..]);
    #[expect(clippy::disallowed_methods, reason = "asked for by MILLRACE_BLESS")]
    std::fs::write(path, renewed).unwrap();
}
