//! The golden lines, and one entry point to every generated message by its name.

use bytes::Bytes;
use millrace_wire::messages::*;
use millrace_wire::{DecodeError, EncodeError, Reader, Writer, for_each_message};
use std::fs;
use std::path::Path;

/// One line of a golden file.
pub(crate) struct Golden {
    pub(crate) message: String,
    pub(crate) version: i16,
    pub(crate) filling: String,
    pub(crate) frame: Bytes,
    /// The values as JSON.
    pub(crate) values: String,
}

#[expect(clippy::disallowed_methods, reason = "the test reads its own files")]
pub(crate) fn golden() -> Vec<Golden> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut paths: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let texts: Vec<String> = paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    texts.iter().flat_map(|text| text.lines()).map(line).collect()
}

fn line(text: &str) -> Golden {
    let mut words = text.splitn(5, ' ');
    let mut next = || words.next().unwrap().to_owned();
    let (message, version, filling, hex) = (next(), next().parse().unwrap(), next(), next());
    let values = next();
    let digits = if hex == "-" { "" } else { hex.as_str() };
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let frame = digits.as_bytes().chunks(2).map(byte).collect();
    Golden { message, version, filling, frame, values }
}

/// What came of a frame.
pub(crate) struct Trip {
    /// Bytes behind the message.
    pub(crate) trailing: usize,
    /// What the reader took for the elements of arrays.
    pub(crate) memory: usize,
    pub(crate) text: String,
    pub(crate) encoded: Result<Vec<u8>, EncodeError>,
}

macro_rules! round_trips {
    ($($name:ident in $module:ident,)*) => {
        /// Decodes and encodes again.
        pub(crate) fn round_trip(message: &str, frame: &Bytes, version: i16) -> Result<Trip, DecodeError> {
            let mut reader = Reader::new(frame);
            match message {
                $(stringify!($name) => {
                    let value = $module::$name::decode(&mut reader, version)?;
                    let mut writer = Writer::new();
                    let encoded = value.encode(&mut writer, version).map(|()| writer.finish().concat());
                    let (trailing, memory) = (reader.remaining(), reader.memory());
                    Ok(Trip { trailing, memory, text: format!("{value:?}"), encoded })
                })*
                other => panic!("{other} is not in the list of messages"),
            }
        }
    };
}

for_each_message!(round_trips);
