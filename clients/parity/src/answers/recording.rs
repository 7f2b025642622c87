//! The text form of recorded answers: per case one `answer LABEL = VALUE` for each answer.
use crate::run::Entry;
use crate::text::{TextError, Texts, print_value};
use std::collections::BTreeMap;

/// Answers by case.
pub(crate) type Recording = BTreeMap<String, Vec<Entry>>;

pub(crate) fn print_recording<'a>(
    subject: &str,
    cases: impl Iterator<Item = (&'a str, &'a [Entry])>,
) -> String {
    let mut text = format!("# Answers of Apache Kafka 4.3.1 to cases/{subject}.txt, written by `record`.\n");
    for (name, entries) in cases {
        text.push_str(&format!("\ncase {name}\n"));
        for entry in entries {
            text.push_str(&format!("  answer {} = {}\n", entry.label, print_value(&entry.answer, 2)));
        }
    }
    text
}

pub(crate) fn read_recording(text: &str) -> Result<Recording, TextError> {
    let mut texts = Texts::new(text);
    let mut recording = Recording::new();
    let mut current = String::new();
    while texts.advance() {
        match texts.word() {
            Some("case") => {
                current = texts.word().ok_or_else(|| texts.error("a case has a name"))?.to_owned();
                recording.entry(current.clone()).or_default();
            }
            Some("answer") => {
                let mut label = Vec::new();
                while let Some(word) = texts.word() {
                    label.push(word);
                }
                if !texts.symbol('=') {
                    return Err(texts.error("= is missing"));
                }
                let entry = Entry { label: label.join(" "), answer: texts.value()? };
                recording.entry(current.clone()).or_default().push(entry);
            }
            _ => return Err(texts.error("`case` or `answer` is expected")),
        }
    }
    Ok(recording)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn recordings_read_back() {
        let entries = vec![
            Entry { label: "@b Metadata 9".into(), answer: json!({"topics": [{"name": "x y"}]}) },
            Entry { label: "raw".into(), answer: json!("closed") },
        ];
        let text = print_recording("subject", [("one@9", entries.as_slice()), ("two", &[])].into_iter());
        let expect = Recording::from([("one@9".to_owned(), entries), ("two".to_owned(), Vec::new())]);
        assert_eq!(read_recording(&text).unwrap(), expect);
    }
}
