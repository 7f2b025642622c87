//! Rules for topic names, with Kafka's messages (`org.apache.kafka.common.internals.Topic`).

/// Longest topic name: with a partition number and a suffix it still makes a file name.
pub const TOPIC_NAME_MAX: usize = 249;

/// Holds the state of consumer groups.
pub const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// Topics that the broker itself writes to.
const INTERNAL: [&str; 3] = [OFFSETS_TOPIC, "__transaction_state", "__share_group_state"];

/// The name of Kafka's own metadata log, which no topic may have.
pub(super) const CLUSTER_METADATA: &str = "__cluster_metadata";

/// Checks a name; the error is Kafka's message.
pub fn check_topic_name(name: &str) -> Result<(), String> {
    let reason = match name {
        "" => "the empty string is not allowed".to_owned(),
        "." => "'.' is not allowed".to_owned(),
        ".." => "'..' is not allowed".to_owned(),
        _ if name.encode_utf16().count() > TOPIC_NAME_MAX => {
            format!("the length of '{name}' is longer than the max allowed length {TOPIC_NAME_MAX}")
        }
        _ if !name.bytes().all(is_legal) => {
            format!(
                "'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
            )
        }
        _ => return Ok(()),
    };
    Err(format!("Topic name is invalid: {reason}"))
}

fn is_legal(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

/// Whether clients may not write to the topic.
pub fn is_internal_topic(name: &str) -> bool {
    INTERNAL.contains(&name)
}

/// A name as metrics have it, which fold `.` into `_`: names that are then equal collide.
pub(super) fn folded(name: &str) -> String {
    name.replace('.', "_")
}

/// Whether there are names that collide with this one and are not it.
pub(super) fn may_collide(name: &str) -> bool {
    name.contains(['.', '_'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_refused_in_kafkas_words() {
        let long = "x".repeat(250);
        let too_long = format!("the length of '{long}' is longer than the max allowed length 249");
        let cases = [
            ("", "the empty string is not allowed"),
            (".", "'.' is not allowed"),
            ("..", "'..' is not allowed"),
            ("a b", "'a b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"),
            (
                "\u{fc}",
                "'\u{fc}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'",
            ),
            (&long, &too_long),
        ];
        for (name, reason) in cases {
            assert_eq!(check_topic_name(name), Err(format!("Topic name is invalid: {reason}")));
        }
        for name in ["a", "...", "A-b_c.9", "__consumer_offsets", &"x".repeat(249)] {
            assert_eq!(check_topic_name(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn names_collide_where_dots_and_underscores_fold() {
        let collide = |one: &str, other: &str| folded(one) == folded(other);
        assert!(collide("a.b", "a_b") && collide("a.b_c", "a_b.c") && collide("a.b", "a.b"));
        assert!(!collide("a.b", "a-b") && !collide("a.b", "a_bc"));
        assert!(may_collide("a.b") && may_collide("a_b") && !may_collide("a-b"));
    }
}
