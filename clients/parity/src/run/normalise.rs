//! Replaces what differs from run to run by stable placeholders: ids in order of appearance, times,
//! addresses.
use serde_json::Value;

/// A time this close to the case's start was read from the broker's clock.
const CLOCK_MS: i64 = 5 * 60 * 1000;
/// A time this close to `$t` was given by the case.
const GIVEN_MS: i64 = 48 * 3600 * 1000;
const ZERO_ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";
/// Characters of an id that a broker gives to a member of a consumer group: 16 bytes in base64.
const MEMBER_ID_CHARS: usize = 22;
/// Characters of a random UUID, which a broker puts behind the client id of a member of a classic group.
const UUID_CHARS: usize = 36;
/// Where its dashes stand.
const UUID_DASHES: [usize; 4] = [8, 13, 18, 23];
/// Digits of a time in milliseconds, from 2001 to 2286.
const TIME_DIGITS: usize = 13;

const TIME_RANGE: &str = "The timestamp should be within [";

/// What one case has seen so far.
pub(super) struct Normaliser {
    /// Text that makes the topic names of this run unique.
    run_suffix: String,
    bootstrap: Address,
    controller: Address,
    started_ms: i64,
    given_ms: i64,
    topic_ids: Vec<Value>,
    producer_ids: Vec<Value>,
    session_ids: Vec<Value>,
    /// Ids of members of consumer groups, and the random part of those of classic groups.
    member_ids: Vec<Value>,
    log_dirs: Vec<Value>,
    /// Ids of clients that push metrics.
    instance_ids: Vec<Value>,
}

/// Where a listener is.
struct Address {
    /// Host and port.
    text: String,
    port: String,
}

impl Address {
    fn of(text: &str) -> Address {
        let port = text.rsplit_once(':').map_or("", |(_, port)| port);
        Address { text: text.to_owned(), port: port.to_owned() }
    }
}

impl Normaliser {
    /// `given_ms` is `$t`, the time from which a case counts its own timestamps.
    pub(super) fn new(
        [bootstrap, controller]: [&str; 2],
        run_suffix: &str,
        started_ms: i64,
        given_ms: i64,
    ) -> Normaliser {
        Normaliser {
            run_suffix: run_suffix.to_owned(),
            bootstrap: Address::of(bootstrap),
            controller: Address::of(controller),
            started_ms,
            given_ms,
            topic_ids: Vec::new(),
            producer_ids: Vec::new(),
            session_ids: Vec::new(),
            member_ids: Vec::new(),
            log_dirs: Vec::new(),
            instance_ids: Vec::new(),
        }
    }

    pub(super) fn normalise(&mut self, value: &mut Value) {
        self.member("", value);
    }

    fn member(&mut self, name: &str, value: &mut Value) {
        match value {
            Value::Object(members) => members.iter_mut().for_each(|(name, member)| self.member(name, member)),
            Value::Array(elements) => elements.iter_mut().for_each(|element| self.member(name, element)),
            Value::Number(number) => {
                let Some(number) = number.as_i64() else { return };
                if let Some(placeholder) = self.number(name, number) {
                    *value = Value::from(placeholder);
                }
            }
            Value::String(text) => *text = self.text(name, text),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn number(&mut self, name: &str, number: i64) -> Option<String> {
        match name {
            "producerId" if number >= 0 => {
                Some(format!("<producer-{}>", position(&mut self.producer_ids, number.into())))
            }
            "sessionId" if number != 0 => {
                Some(format!("<session-{}>", position(&mut self.session_ids, number.into())))
            }
            "port" if number.to_string() == self.bootstrap.port => Some("<port>".to_owned()),
            "port" if number.to_string() == self.controller.port => Some("<controller-port>".to_owned()),
            "throttleTimeMs" if number > 0 => Some("<throttle>".to_owned()),
            "finalizedFeaturesEpoch" if number >= 0 => Some("<epoch>".to_owned()),
            "totalBytes" | "usableBytes" if number > 0 => Some("<bytes>".to_owned()),
            _ => self.time(number),
        }
    }

    fn time(&self, number: i64) -> Option<String> {
        if (number - self.started_ms).abs() < CLOCK_MS {
            return Some("<time>".to_owned());
        }
        let given = number - self.given_ms;
        (given.abs() < GIVEN_MS).then(|| if given == 0 { "<t>".to_owned() } else { format!("<t{given:+}>") })
    }

    fn text(&mut self, name: &str, text: &str) -> String {
        match name {
            "topicId" if text != ZERO_ID => {
                return format!("<topic-id-{}>", position(&mut self.topic_ids, text.into()));
            }
            "clientInstanceId" if text != ZERO_ID => {
                return format!("<instance-{}>", position(&mut self.instance_ids, text.into()));
            }
            "memberId" if is_member_id(text) => {
                return format!("<member-{}>", position(&mut self.member_ids, text.into()));
            }
            "logDir" if text.starts_with('/') => {
                return format!("<log-dir-{}>", position(&mut self.log_dirs, text.into()));
            }
            "replicaDirectoryId" if text != ZERO_ID => return "<directory>".to_owned(),
            "clusterId" if !text.is_empty() => return "<cluster>".to_owned(),
            "host" if !text.is_empty() => return "<host>".to_owned(),
            "documentation" if !text.is_empty() => return "<text>".to_owned(),
            _ => {}
        }
        let text = text.replace(&hex_digits(&self.run_suffix), "");
        let mut text = self
            .replace_member_ids(text)
            .replace(&self.run_suffix, "")
            .replace(&self.bootstrap.text, "<address>");
        for (index, id) in self.topic_ids.iter().enumerate() {
            text = text.replace(id.as_str().unwrap_or(ZERO_ID), &format!("<topic-id-{}>", index + 1));
        }
        self.replace_numbers(&without_range(&text))
    }

    fn replace_member_ids(&mut self, mut text: String) -> String {
        while let Some(start) = find_uuid(&text) {
            let id = text.get(start..start + UUID_CHARS).unwrap_or_default().to_owned();
            let placeholder = format!("<member-{}>", position(&mut self.member_ids, id.as_str().into()));
            text = text.replace(&id, &placeholder);
        }
        for (index, id) in self.member_ids.iter().enumerate() {
            text = text.replace(id.as_str().unwrap_or(ZERO_ID), &format!("<member-{}>", index + 1));
        }
        text
    }

    /// Times and known producer ids inside a message.
    fn replace_numbers(&self, text: &str) -> String {
        let mut replaced = String::new();
        let mut rest = text;
        while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
            let (before, digits) = rest.split_at(start);
            let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
            let (digits, after) = digits.split_at(end);
            replaced.push_str(before);
            let number: Option<i64> = digits.parse().ok();
            let time = number.filter(|_| digits.len() == TIME_DIGITS).and_then(|number| self.time(number));
            let after_producer = before.ends_with("producer ") || before.ends_with("producerId ");
            replaced.push_str(match &time {
                Some(time) => time,
                None if after_producer => "<producer>",
                None => digits,
            });
            rest = after;
        }
        replaced.push_str(rest);
        replaced
    }
}

fn is_member_id(text: &str) -> bool {
    text.len() == MEMBER_ID_CHARS && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

fn find_uuid(text: &str) -> Option<usize> {
    let is_uuid = |window: &[u8]| {
        let fits = |(at, byte): (usize, &u8)| match UUID_DASHES.contains(&at) {
            true => *byte == b'-',
            false => byte.is_ascii_hexdigit(),
        };
        window.iter().enumerate().all(fits)
    };
    text.as_bytes().windows(UUID_CHARS).position(is_uuid)
}

/// How a text shows in bytes that are printed in hexadecimal.
fn hex_digits(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// Kafka names the allowed times around its own clock in messages about a wrong one.
fn without_range(text: &str) -> String {
    let Some((before, range)) = text.split_once(TIME_RANGE) else { return text.to_owned() };
    let Some((_, after)) = range.split_once(']') else { return text.to_owned() };
    format!("{before}{TIME_RANGE}<times>]{after}")
}

/// One-based position of `id` among those seen, to which it is added.
fn position(seen: &mut Vec<Value>, id: Value) -> usize {
    if let Some(index) = seen.iter().position(|known| *known == id) {
        return index + 1;
    }
    seen.push(id);
    seen.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn member_ids_become_placeholders() {
        let mut normaliser = Normaliser::new(
            ["localhost:9092", "localhost:9093"],
            "-x1y2",
            1_800_000_600_000,
            1_800_000_000_000,
        );
        let one = "one-c1f3e7a0-0000-4000-8000-0123456789ab";
        let mut value = json!({
            "leader": one, "memberId": "two-d2f3e7a0-0000-4000-8000-0123456789ab",
            "members": [{"memberId": one, "metadata": "hex:00ff2d7831793200"},
                        {"memberId": "mXzvSZmFR0yDLEbxsJYWLg"}],
            "errorMessage": format!("{one} and mXzvSZmFR0yDLEbxsJYWLg"),
        });
        normaliser.normalise(&mut value);
        let expect = json!({
            "leader": "one-<member-1>", "memberId": "two-<member-2>",
            "members": [{"memberId": "one-<member-1>", "metadata": "hex:00ff00"}, {"memberId": "<member-3>"}],
            "errorMessage": "one-<member-1> and <member-3>",
        });
        assert_eq!(value, expect);
    }

    #[test]
    fn what_changes_becomes_a_placeholder() {
        let mut normaliser = Normaliser::new(
            ["localhost:9092", "localhost:9093"],
            "-x1y2",
            1_800_000_600_000,
            1_800_000_000_000,
        );
        let mut value = json!({
            "topics": [{"topicId": "mXzvSZmFR0yDLEbxsJYWLg", "name": "a-x1y2"}, {"topicId": ZERO_ID}],
            "again": [{"topicId": "mXzvSZmFR0yDLEbxsJYWLg", "logAppendTimeMs": 1_800_000_600_012i64}],
            "producerId": 4000, "port": 9092, "listeners": [{"port": 9093}],
            "logDir": "/var/log-x1y2", "totalBytes": 5, "usableBytes": -1, "host": "localhost",
            "timestamp": 1_800_000_000_005i64,
            "errorMessage": "Timestamp 1800000000000 of producer 4000 in a-x1y2 by 3600000",
        });
        normaliser.normalise(&mut value);
        let expect = json!({
            "topics": [{"topicId": "<topic-id-1>", "name": "a"}, {"topicId": ZERO_ID}],
            "again": [{"topicId": "<topic-id-1>", "logAppendTimeMs": "<time>"}],
            "producerId": "<producer-1>", "port": "<port>", "listeners": [{"port": "<controller-port>"}],
            "logDir": "<log-dir-1>", "totalBytes": "<bytes>", "usableBytes": -1, "host": "<host>",
            "timestamp": "<t+5>",
            "errorMessage": "Timestamp <t> of producer <producer> in a by 3600000",
        });
        assert_eq!(value, expect);
    }
}
