//! The golden lines, and the one way to read and write each.

use millrace_core::coord::records::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, DecodeError, GroupRecord,
};
use std::fs;
use std::path::Path;

/// One line of a golden file.
pub(crate) struct Golden {
    pub(crate) message: String,
    pub(crate) version: i16,
    pub(crate) filling: String,
    pub(crate) bytes: Vec<u8>,
    /// The values as JSON.
    pub(crate) values: String,
}

#[expect(clippy::disallowed_methods, reason = "the test reads its own files")]
pub(crate) fn golden() -> Vec<Golden> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/group_records/golden");
    let mut paths: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let texts: Vec<String> = paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    texts.iter().flat_map(|text| text.lines()).map(line).collect()
}

fn line(text: &str) -> Golden {
    let mut words = text.splitn(5, ' ');
    let mut next = || words.next().unwrap().to_owned();
    let (message, version, filling, hex) = (next(), next().parse().unwrap(), next(), next());
    Golden { message, version, filling, bytes: bytes(&hex), values: next() }
}

pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

impl Golden {
    /// Reads the bytes; what came of them as text, and the bytes that are written of it.
    pub(crate) fn round_trip(&self, keys: &[Golden]) -> Result<(String, Vec<u8>), DecodeError> {
        let message = self.message.as_str();
        if message == "ConsumerProtocolSubscription" {
            let read = ConsumerProtocolSubscription::parse(&self.bytes)?;
            return Ok((format!("{read:?}"), read.to_bytes(self.version).unwrap()));
        }
        if message == "ConsumerProtocolAssignment" {
            let read = ConsumerProtocolAssignment::parse(&self.bytes)?;
            return Ok((format!("{read:?}"), read.to_bytes(self.version).unwrap()));
        }
        let Some(record) = message.strip_suffix("Value") else {
            let read = GroupRecord::decode(&self.bytes, None)?;
            assert_eq!(read.encode_value(0), Ok(None), "{read:?}");
            return Ok((format!("{read:?}"), read.encode_key().unwrap()));
        };
        let key = keys.iter().find(|key| key.message.strip_suffix("Key") == Some(record)).unwrap();
        let read = GroupRecord::decode(&key.bytes, Some(&self.bytes))?;
        Ok((format!("{read:?}"), read.encode_value(self.version).unwrap().unwrap()))
    }
}
