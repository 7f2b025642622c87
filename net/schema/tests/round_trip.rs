//! Every checked-in definition is read and printed back to the same text.
#![expect(clippy::disallowed_methods, reason = "the test reads the source tree")]

use millrace_schema::{Kind, parse};
use std::fs;
use std::path::Path;

#[test]
fn checked_in_text_round_trips() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wire/schema");
    let mut requests = 0;
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let message = parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(message.to_string(), text, "{}", path.display());
        requests += usize::from(message.kind == Kind::Request);
    }
    assert_eq!(requests, 93, "Kafka 4.3 has keys 0 to 92");
}
