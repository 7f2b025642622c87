//! Every checked-in definition is read and printed back to the same text.
#![expect(clippy::disallowed_methods, reason = "the test reads the source tree")]

use millrace_schema::{Kind, parse};
use std::fs;
use std::path::Path;

#[test]
fn checked_in_text_round_trips() {
    let folder = |path| fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let mut requests = 0;
    let mut record_types = Vec::new();
    for entry in folder("../wire/schema").chain(folder("../../engine/core/schema")) {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let message = parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(message.to_string(), text, "{}", path.display());
        requests += usize::from(message.kind == Kind::Request);
        record_types.extend(message.api_key.filter(|_| message.kind == Kind::CoordinatorKey));
    }
    record_types.sort();
    let expected: Vec<i16> = (0..=8).chain(10..=17).chain(19..=23).collect();
    assert_eq!(record_types, expected, "records of a group coordinator of Kafka 4.3");
    assert_eq!(requests, 93, "Kafka 4.3 has keys 0 to 92");
}
