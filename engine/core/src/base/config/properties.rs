//! Java's `.properties` text: comments, three separators, continuation lines and escapes.

use thiserror::Error;

use super::ConfigMap;

/// Keys and values of a file; a key given twice has its last value, as in Java.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Properties {
    entries: ConfigMap,
}

/// A text that is no properties file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: {reason}")]
pub struct PropertiesFault {
    /// Counted from 1.
    pub line: usize,
    pub reason: &'static str,
}

impl Properties {
    /// Reads `text`.
    pub fn parse(text: &str) -> Result<Properties, PropertiesFault> {
        let mut properties = Properties::default();
        let mut lines = text.lines().enumerate();
        while let Some((at, first)) = lines.next() {
            let mut logical = first.trim_start_matches(BLANKS).to_owned();
            if logical.is_empty() || logical.starts_with(['#', '!']) {
                continue;
            }
            while ends_in_odd_backslashes(&logical) {
                logical.pop();
                match lines.next() {
                    Some((_, next)) => logical.push_str(next.trim_start_matches(BLANKS)),
                    None => break,
                }
            }
            let (key, value) = split_key(&logical);
            let fault = |reason| PropertiesFault { line: at + 1, reason };
            properties.set(&unescape(key).map_err(fault)?, unescape(value).map_err(fault)?);
        }
        Ok(properties)
    }

    /// Sets one key.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.entries.insert(key.to_owned(), value.into());
    }

    /// Forgets one key.
    pub fn remove(&mut self, key: &str) -> Option<String> {
        self.entries.remove(key)
    }

    /// The value as it was given.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entries.get(key).map(String::as_str)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Properties {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Properties {
        Properties { entries: entries.into_iter().map(|(key, value)| (key.into(), value.into())).collect() }
    }
}

const BLANKS: [char; 3] = [' ', '\t', '\u{c}'];

fn ends_in_odd_backslashes(line: &str) -> bool {
    line.bytes().rev().take_while(|&byte| byte == b'\\').count() % 2 == 1
}

/// Splits at the first separator that is not escaped: blanks around at most one `=` or `:`.
fn split_key(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line
        .char_indices()
        .find(|&(_, character)| {
            let separates = !escaped && (BLANKS.contains(&character) || matches!(character, '=' | ':'));
            escaped = !escaped && character == '\\';
            separates
        })
        .map_or(line.len(), |(at, _)| at);
    let (key, rest) = line.split_at_checked(end).unwrap_or((line, ""));
    let rest = rest.trim_start_matches(BLANKS);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, rest.trim_start_matches(BLANKS))
}

fn unescape(text: &str) -> Result<String, &'static str> {
    let mut plain = String::with_capacity(text.len());
    let mut units: Vec<u16> = Vec::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let escape = if character == '\\' { characters.next() } else { None };
        if escape == Some('u') {
            units.push(hex_unit(&mut characters).ok_or("\\u needs four hexadecimal digits")?);
            continue;
        }
        // Two escapes may make one character (a surrogate pair), so they are decoded together.
        flush_units(&mut units, &mut plain);
        match (character, escape) {
            ('\\', Some('t')) => plain.push('\t'),
            ('\\', Some('n')) => plain.push('\n'),
            ('\\', Some('r')) => plain.push('\r'),
            ('\\', Some('f')) => plain.push('\u{c}'),
            ('\\', Some(other)) => plain.push(other),
            ('\\', None) => {}
            _ => plain.push(character),
        }
    }
    flush_units(&mut units, &mut plain);
    Ok(plain)
}

fn hex_unit(characters: &mut std::str::Chars<'_>) -> Option<u16> {
    let mut unit = 0u16;
    for _ in 0..4 {
        let digit = characters.next()?.to_digit(16)?;
        unit = unit << 4 | u16::try_from(digit).ok()?;
    }
    Some(unit)
}

fn flush_units(units: &mut Vec<u16>, plain: &mut String) {
    plain.extend(char::decode_utf16(units.drain(..)).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_java_reads() {
        let cases: [(&str, &[(&str, &str)]); 16] = [
            ("", &[]),
            ("# a\n! b\n\n  \t# c\n", &[]),
            ("a=1", &[("a", "1")]),
            ("a:1\r\nb 2", &[("a", "1"), ("b", "2")]),
            ("  a \t=\t 1 ", &[("a", "1 ")]),
            ("a==b:c", &[("a", "=b:c")]),
            ("a", &[("a", "")]),
            ("a=1\na=2", &[("a", "2")]),
            ("a=1,\\\n   2,\\\n\t3", &[("a", "1,2,3")]),
            ("a=1\\\\\nb=2", &[("a", "1\\"), ("b", "2")]),
            ("a=1\\", &[("a", "1")]),
            ("a\\ b\\=c\\:d=e", &[("a b=c:d", "e")]),
            ("a=\\t\\n\\r\\f\\q", &[("a", "\t\n\r\u{c}q")]),
            ("a=\\u00fc\\ud83d\\ude00x", &[("a", "ü😀x")]),
            ("a=1 # no comment", &[("a", "1 # no comment")]),
            (
                "listeners=PLAINTEXT://:9092,CONTROLLER://:9093",
                &[("listeners", "PLAINTEXT://:9092,CONTROLLER://:9093")],
            ),
        ];
        for (text, expected) in cases {
            let read = Properties::parse(text).unwrap();
            assert_eq!(read, expected.iter().copied().collect(), "{text:?}");
        }
    }

    #[test]
    fn a_bad_escape_names_its_line() {
        let fault = Properties::parse("# one\na=1\nb=\\u12g4\n").unwrap_err();
        assert_eq!(fault.to_string(), "line 3: \\u needs four hexadecimal digits");
    }
}
