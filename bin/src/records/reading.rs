//! Records out of text: by a template's separators, or an object a line.

use std::io::{self, BufRead};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::format::{Piece, Template};
use super::writing::RecordFormat;

/// A record larger than this has no separator behind it, and no broker takes it.
const RECORD_BYTES_MAX: usize = 64 << 20;

/// A record as it was read.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct NewRecord {
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    pub(super) partition: Option<i32>,
    pub(super) timestamp_ms: Option<i64>,
}

/// Whether the text can be cut by the format: each part of a record ends with a separator.
pub(super) fn check_separators(format: &RecordFormat) -> Result<(), String> {
    let RecordFormat::Template(template) = format else { return Ok(()) };
    let is_part =
        |piece: &Piece| matches!(piece, Piece::Key | Piece::Value | Piece::Partition | Piece::Timestamp);
    if let Some(wrong) =
        template.0.iter().find(|piece| !is_part(piece) && !matches!(piece, Piece::Literal(_)))
    {
        return Err(format!("records have %k, %v, %p and %T in what is read, and not {wrong:?}"));
    }
    if !template.0.iter().any(is_part) {
        return Err("nothing of a record is read by this format".to_owned());
    }
    let together = template.0.windows(2).any(|pair| is_part(&pair[0]) && is_part(&pair[1]));
    match together || template.0.last().is_some_and(is_part) {
        true => Err("something has to stand behind each part of a record, for instance \\n".to_owned()),
        false => Ok(()),
    }
}

/// The next record; nothing at the end. The last separator may be missing.
pub(super) fn next(input: &mut impl BufRead, format: &RecordFormat) -> io::Result<Option<NewRecord>> {
    match format {
        RecordFormat::Template(template) => next_by_template(input, template),
        RecordFormat::Json => loop {
            let Some((line, _)) = until(input, b"\n")? else { return Ok(None) };
            if !line.trim_ascii().is_empty() {
                return of_object(&line)
                    .map(Some)
                    .ok_or_else(|| malformed("a line is no record as an object"));
            }
        },
    }
}

fn next_by_template(input: &mut impl BufRead, template: &Template) -> io::Result<Option<NewRecord>> {
    let mut record = NewRecord::default();
    let mut is_begun = false;
    let mut part = None;
    for piece in &template.0 {
        let Piece::Literal(separator) = piece else {
            part = Some(piece);
            continue;
        };
        let Some((bytes, is_whole)) = until(input, separator)? else {
            return match is_begun {
                true => Err(malformed("the last record is not whole")),
                false => Ok(None),
            };
        };
        let is_last = template.0.last() == Some(piece);
        if !is_whole && !is_last {
            return Err(malformed("the last record is not whole"));
        }
        is_begun = true;
        match part.take() {
            Some(part) => take_part(&mut record, part, bytes)?,
            None if bytes.is_empty() => {}
            None => return Err(malformed("something stands before a record")),
        }
    }
    Ok(Some(record))
}

fn take_part(record: &mut NewRecord, part: &Piece, bytes: Vec<u8>) -> io::Result<()> {
    let number = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::trim).map(str::to_owned);
    match part {
        Piece::Key => record.key = Some(bytes),
        Piece::Partition => {
            let partition = number(&bytes).and_then(|text| text.parse().ok());
            record.partition = Some(partition.ok_or_else(|| malformed("a partition is no number"))?);
        }
        Piece::Timestamp => {
            let time = number(&bytes).and_then(|text| text.parse().ok());
            record.timestamp_ms = Some(time.ok_or_else(|| malformed("a time is no number of milliseconds"))?);
        }
        _ => record.value = Some(bytes),
    }
    Ok(())
}

/// Bytes up to the separator, and whether it was there; nothing at the end.
fn until(input: &mut impl BufRead, separator: &[u8]) -> io::Result<Option<(Vec<u8>, bool)>> {
    let last = separator.last().copied().unwrap_or(b'\n');
    let mut bytes = Vec::new();
    while input.read_until(last, &mut bytes)? > 0 {
        if bytes.ends_with(separator) {
            bytes.truncate(bytes.len() - separator.len());
            return Ok(Some((bytes, true)));
        }
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(malformed("a record of more than 64 MiB"));
        }
    }
    Ok((!bytes.is_empty()).then_some((bytes, false)))
}

/// What `consume --format json` writes, or as much of it as there is.
fn of_object(line: &[u8]) -> Option<NewRecord> {
    let object: Value = serde_json::from_slice(line).ok()?;
    object.as_object()?;
    let mut headers = Vec::new();
    for header in object["headers"].as_array().into_iter().flatten() {
        headers.push((header["key"].as_str()?.as_bytes().to_vec(), bytes_of(header, "value")?));
    }
    let partition = match &object["partition"] {
        Value::Null => None,
        partition => Some(i32::try_from(partition.as_i64()?).ok()?),
    };
    let timestamp_ms = match &object["timestamp"] {
        Value::Null => None,
        timestamp => Some(timestamp.as_i64()?),
    };
    let (key, value) = (bytes_of(&object, "key")?, bytes_of(&object, "value")?);
    Some(NewRecord { key, value, headers, partition, timestamp_ms })
}

#[expect(
    clippy::option_option,
    reason = "the outer one says whether it can be read, the inner one whether it is there"
)]
fn bytes_of(object: &Value, name: &str) -> Option<Option<Vec<u8>>> {
    if let Some(encoded) = object[format!("{name}_base64")].as_str() {
        return STANDARD.decode(encoded).ok().map(Some);
    }
    match &object[name] {
        Value::Null => Some(None),
        Value::String(text) => Some(Some(text.as_bytes().to_vec())),
        _ => None,
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys and values of all records, or that the text is wrong.
    fn check(format: &str, text: &str, expected: Option<&[(Option<&str>, Option<&str>)]>) {
        let format = RecordFormat::read(format).unwrap();
        assert_eq!(check_separators(&format), Ok(()));
        let mut input = text.as_bytes();
        let read: io::Result<Vec<NewRecord>> =
            std::iter::from_fn(|| next(&mut input, &format).transpose()).collect();
        let bytes = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
        let expected = expected.map(|pairs| {
            let record = |(key, value): &(Option<&str>, Option<&str>)| (bytes(*key), bytes(*value));
            pairs.iter().map(record).collect::<Vec<_>>()
        });
        let read = read.ok().map(|all| all.into_iter().map(|it| (it.key, it.value)).collect::<Vec<_>>());
        assert_eq!(read, expected, "{text:?}");
    }

    #[test]
    fn records_are_cut_at_their_separators() {
        check("%v\\n", "a\n\nb", Some(&[(None, Some("a")), (None, Some("")), (None, Some("b"))]));
        check("%v\\n", "", Some(&[]));
        check("%k\\t%v\\n", "a\tb\nc\td\te", Some(&[(Some("a"), Some("b")), (Some("c"), Some("d\te"))]));
        check("%k: %v;;\\n", "a:b: c;\n;;\n", Some(&[(Some("a:b"), Some("c;\n"))]));
        check("%k\\t%v\\n", "no separator\n", None);
        check("[%p] %v\\n", "[3] a\n", Some(&[(None, Some("a"))]));
        check("[%p] %v\\n", "[x] a\n", None);
        check("[%p] %v\\n", "x[3] a\n", None);
    }

    #[test]
    fn objects_are_records() {
        check(
            "json",
            "{\"key\":\"a\",\"value\":null}\n\n{\"value_base64\":\"Yg==\"}",
            Some(&[(Some("a"), None), (None, Some("b"))]),
        );
        for wrong in ["{", "[]", "1", "{\"key\":1}", "{\"value_base64\":\"?\"}", "{\"partition\":\"x\"}"] {
            check("json", wrong, None);
        }
        let line =
            br#"{"partition":2,"timestamp":5,"headers":[{"key":"h","value":"x"},{"key":"n","value":null}]}"#;
        let record = of_object(line).unwrap();
        assert_eq!((record.partition, record.timestamp_ms), (Some(2), Some(5)));
        assert_eq!(record.headers, [(b"h".to_vec(), Some(b"x".to_vec())), (b"n".to_vec(), None)]);
    }

    #[test]
    fn formats_that_cannot_be_read_are_refused() {
        for wrong in ["%k%v\\n", "%v", "\\n", "%o %v\\n", ""] {
            assert!(check_separators(&RecordFormat::read(wrong).unwrap()).is_err(), "{wrong}");
        }
    }
}
