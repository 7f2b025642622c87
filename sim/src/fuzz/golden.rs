//! Golden bytes of the repository, as the tests of each format keep them.

use std::path::Path;

/// Files of one folder of the repository, or one file, as texts.
#[expect(clippy::disallowed_methods, reason = "a development tool reads files of its own repository")]
pub(super) fn texts(path: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    let mut files = vec![path.clone()];
    if let Ok(entries) = std::fs::read_dir(&path) {
        files = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
        files.sort();
    }
    let texts: Vec<String> = files.iter().filter_map(|file| std::fs::read_to_string(file).ok()).collect();
    assert!(!texts.is_empty(), "there is no golden file at {}", path.display());
    texts
}

/// Bytes written in hexadecimal digits; anything else between them is passed over.
pub fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect();
    digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect()
}
