//! The wire: every message in every version, requests as a connection reads them,
//! and frames cut out of a stream.

use bytes::Bytes;
use millrace_wire::conn::{FrameCursor, Framed, HeaderError, decode_request_header};
use millrace_wire::messages::*;
use millrace_wire::{
    ARRAY_BYTES_AT_ONCE, ApiKey, DecodeError, EncodeError, MEMORY_BYTES_MIN, MEMORY_PER_FRAME_BYTE, Reader,
    Writer, for_each_message,
};

use crate::fuzz::golden;
use crate::fuzz::input::Input;
use crate::fuzz::meter::Bound;
use crate::fuzz::seeds;
use crate::fuzz::target::{Checked, Field, Target, TargetOutcome, promise};

/// An input is the message's place in the list of `for_each_message!`, its version, and its bytes.
pub(in crate::fuzz) const MESSAGES: Target = Target {
    name: "messages",
    decoders: &[
        "reader::uvarint",
        "reader::nullable_string",
        "reader::nullable_bytes",
        "reader::nullable_records",
        "reader::nullable_array",
        "reader::nullable_struct",
        "reader::tagged_field",
        "reader::skip_tagged_fields",
    ],
    golden: || {
        golden_messages()
            .into_iter()
            .map(|(place, version, body)| [&[place, version][..], &body].concat())
            .collect()
    },
    seeds: || {
        let message = |frame: &Vec<u8>| {
            let (place, version, body) = message_of(frame)?;
            Some([&[place, version][..], &body].concat())
        };
        seeds::frames().iter().filter_map(message).collect()
    },
    // ApiVersions 0 has no field.
    generate: |_| {
        let place = MESSAGE_MODULES.iter().position(|module| *module == "api_versions_request");
        vec![place.map_or(0, |place| place as u8), 0]
    },
    fields,
    check: |input| match input.bytes {
        [place, version, body @ ..] => {
            let place = usize::from(*place) % MESSAGE_MODULES.len();
            check_message(place, i16::from(*version), body, input.is_whole())
        }
        _ => Ok(TargetOutcome::Refused),
    },
    ..Target::PLAIN
};

/// A frame without its length: header and body, as a connection hands it on.
pub(in crate::fuzz) const REQUESTS: Target = Target {
    name: "requests",
    decoders: &["header::decode_request_header", "header::peek_key"],
    golden: golden_requests,
    seeds: seeds::frames,
    generate: |_| b"\x00\x12\x00\x03\x00\x00\x00\x07\x00\x02ab\x00\x01\x01\x00".to_vec(),
    fields,
    check: check_request,
    ..Target::PLAIN
};

/// What a connection receives: frames behind their lengths.
pub(in crate::fuzz) const FRAMES: Target = Target {
    name: "frames",
    decoders: &["framing::next_frame"],
    generate: |chance| {
        let mut stream = Vec::new();
        for _ in 0..chance.below(6) {
            let body = vec![7; 1 + chance.below(100) as usize];
            stream.extend_from_slice(&(body.len() as i32).to_be_bytes());
            stream.extend_from_slice(&body);
        }
        stream
    },
    fields: |bytes| {
        let mut fields = vec![Field::big(0, 4)];
        let mut cursor = FrameCursor::new(FRAME_BYTES_MAX);
        while let Framed::Whole(place) = cursor.next_frame(bytes) {
            fields.push(Field::big(place.end, 4));
        }
        fields
    },
    check: check_frames,
    ..Target::PLAIN
};

const FRAME_BYTES_MAX: usize = 1000;

/// What the codec promises, and what sharing the frame takes.
const MESSAGE: Bound =
    Bound { per_byte: MEMORY_PER_FRAME_BYTE, fixed: MEMORY_BYTES_MIN + ARRAY_BYTES_AT_ONCE + 1024 };
/// Places in the stream, nothing of it.
const CURSOR: Bound = Bound { per_byte: 0, fixed: 0 };

/// Every second byte may belong to a length or a count.
fn fields(bytes: &[u8]) -> Vec<Field> {
    (0..bytes.len().min(300))
        .flat_map(|at| [Field::big(at, 1), Field::big(at, 2), Field::big(at, 4)])
        .collect()
}

macro_rules! messages {
    ($($name:ident in $module:ident,)*) => {
        /// The generated modules that are fuzzed, in the order of an input's first byte.
        pub const MESSAGE_MODULES: &[&str] = &[$(stringify!($module)),*];
        /// The types in them.
        const MESSAGE_NAMES: &[&str] = &[$(stringify!($name)),*];

        /// Decodes, encodes and decodes again.
        fn trip(module: &str, version: i16, frame: &Bytes) -> Result<Trip, String> {
            match module {
                $(stringify!($module) => {
                    let (value, remaining) = MESSAGE.hold(frame.len(), || {
                        let mut reader = Reader::new(frame);
                        let value: Result<_, DecodeError> = $module::$name::decode(&mut reader, version);
                        (value, reader.remaining())
                    })?;
                    let value = match value {
                        Ok(value) => value,
                        Err(fault) => return Ok(Trip::Refused(fault)),
                    };
                    let mut writer = Writer::new();
                    match value.encode(&mut writer, version) {
                        Ok(()) => {}
                        // Text that was no UTF-8 is longer once its bytes are replaced.
                        Err(EncodeError::TooLong(_)) => return Ok(Trip::Done { remaining, again: None }),
                        Err(fault) => return Err(format!("decoded, but not encoded: {fault} in {value:?}")),
                    }
                    let again = Bytes::from(writer.finish().concat());
                    let mut reader = Reader::new(&again);
                    let read: Result<_, DecodeError> = $module::$name::decode(&mut reader, version);
                    // Compared as text, too: a number that is no number does not equal itself.
                    let same = read.as_ref() == Ok(&value) || format!("{read:?}") == format!("Ok({value:?})");
                    promise(same && reader.remaining() == 0, || format!("{value:?} comes back as {read:?}"))?;
                    Ok(Trip::Done { remaining, again: Some(again.clone()) })
                })*
                other => Err(format!("{other} is not in the list of messages")),
            }
        }
    };
}

for_each_message!(messages);

enum Trip {
    Refused(DecodeError),
    Done { remaining: usize, again: Option<Bytes> },
}

fn check_message(place: usize, version: i16, body: &[u8], is_whole: bool) -> Checked {
    let frame = Bytes::copy_from_slice(body);
    let module = MESSAGE_MODULES.get(place).copied().unwrap_or_default();
    match trip(module, version, &frame)? {
        Trip::Refused(fault) => {
            promise(!is_whole, || format!("a good message is refused: {fault}"))?;
            Ok(TargetOutcome::Refused)
        }
        Trip::Done { remaining, again } => {
            let exact = remaining == 0 && again.is_none_or(|again| again == frame);
            promise(!is_whole || exact, || "Kafka's bytes come back changed".to_owned())?;
            Ok(TargetOutcome::Decoded)
        }
    }
}

fn golden_messages() -> Vec<(u8, u8, Vec<u8>)> {
    let texts = golden::texts("net/wire/tests/golden");
    let mut messages = Vec::new();
    for line in texts.iter().flat_map(|text| text.lines()) {
        let mut words = line.splitn(5, ' ');
        let (Some(name), Some(version), _, Some(hex)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            continue;
        };
        let place = MESSAGE_NAMES.iter().position(|known| *known == name);
        if let (Some(place), Ok(version)) = (place, version.parse()) {
            messages.push((place as u8, version, golden::from_hex(hex)));
        }
    }
    messages
}

/// Kafka's bodies behind headers of ours.
fn golden_requests() -> Vec<Vec<u8>> {
    let request = |(place, version, body): (u8, u8, Vec<u8>)| {
        let name = MESSAGE_NAMES.get(usize::from(place))?.strip_suffix("Request")?;
        let api = ApiKey::ALL.iter().find(|api| api.name() == name)?;
        let mut frame = api.code().to_be_bytes().to_vec();
        frame.extend_from_slice(&[0, version, 0, 0, 0, 7, 0, 2, b'a', b'b']);
        if api.request_header_version(i16::from(version)) == 2 {
            frame.push(0);
        }
        frame.extend_from_slice(&body);
        Some(frame)
    };
    golden_messages().into_iter().filter_map(request).collect()
}

/// The message in a frame, if its header is good and its API known.
fn message_of(frame: &[u8]) -> Option<(u8, u8, Vec<u8>)> {
    let frame = Bytes::copy_from_slice(frame);
    let mut reader = Reader::new(&frame);
    let (api, header) = decode_request_header(&mut reader).ok()?;
    let name = format!("{}Request", api.name());
    let place = MESSAGE_NAMES.iter().position(|known| **known == name)?;
    let version = u8::try_from(header.request_api_version).ok()?;
    Some((u8::try_from(place).ok()?, version, frame.get(reader.position()..)?.to_vec()))
}

fn check_request(input: &Input<'_>) -> Checked {
    let frame = Bytes::copy_from_slice(input.bytes);
    let (decoded, position) = MESSAGE.hold(frame.len(), || {
        let mut reader = Reader::new(&frame);
        let decoded = decode_request_header(&mut reader);
        (decoded, reader.position())
    })?;
    let (api, header) = match decoded {
        Ok(decoded) => decoded,
        Err(fault) => {
            promise(!input.is_whole(), || format!("a good header is refused: {fault}"))?;
            let known =
                frame.first_chunk().is_some_and(|key| ApiKey::from_i16(i16::from_be_bytes(*key)).is_some());
            let blamed = matches!(fault, HeaderError::UnknownApi(_));
            promise(frame.len() < 4 || blamed != known, || format!("another reason: {fault}"))?;
            return Ok(TargetOutcome::Refused);
        }
    };
    let head = frame.first_chunk().map(|[k, e, v, r, a, b, c, d]| {
        (i16::from_be_bytes([*k, *e]), i16::from_be_bytes([*v, *r]), i32::from_be_bytes([*a, *b, *c, *d]))
    });
    let said = (api.code(), header.request_api_version, header.correlation_id);
    promise(head == Some(said), || format!("{head:?} is read as {said:?}"))?;
    let name = format!("{}Request", api.name());
    let Some(place) = MESSAGE_NAMES.iter().position(|known| **known == name) else {
        return Ok(TargetOutcome::Decoded);
    };
    let body = frame.get(position..).unwrap_or_default();
    check_message(place, header.request_api_version, body, input.is_whole())
}

fn check_frames(input: &Input<'_>) -> Checked {
    let bytes = input.bytes;
    let mut cursor = FrameCursor::new(FRAME_BYTES_MAX);
    let mut at = 0;
    loop {
        let found = CURSOR.hold(bytes.len(), || cursor.next_frame(bytes))?;
        let length =
            bytes.get(at..at + 4).and_then(|raw| raw.first_chunk()).map(|raw| i32::from_be_bytes(*raw));
        let expected = match length {
            None => Framed::Partial { wants: 4 },
            Some(length) if !(1..=FRAME_BYTES_MAX as i32).contains(&length) => Framed::BadLength(length),
            Some(length) if bytes.len() - at - 4 < length as usize => {
                Framed::Partial { wants: 4 + length as usize }
            }
            Some(length) => Framed::Whole(at + 4..at + 4 + length as usize),
        };
        promise(found == expected, || format!("at {at}: {found:?}, not {expected:?}"))?;
        if let Framed::Whole(place) = &found {
            at = place.end;
        }
        promise(cursor.position() == at, || format!("the cursor stands at {}, not {at}", cursor.position()))?;
        match found {
            Framed::Whole(_) => {}
            Framed::Partial { .. } => return Ok(TargetOutcome::Decoded),
            Framed::BadLength(_) => return Ok(TargetOutcome::Refused),
        }
    }
}
