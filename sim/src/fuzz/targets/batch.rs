//! Record batches of magic 2: headers, walks, records, validation, searches;
//! and the same records under each codec.

use millrace_core::base::{Offset, TimestampMs};
use millrace_core::log::batch::{Batch, BatchWalk, LOG_OVERHEAD, RECORD_BATCH_OVERHEAD};
use millrace_core::log::compression::{compress, decompress};
use millrace_core::log::recompress::recompress;
use millrace_core::log::records::{Record, Records};
use millrace_core::log::search::{self, FoundRecord};
use millrace_core::log::validate::Compacted;
use millrace_core::log::{
    Attributes, BatchBuilder, BatchFault, BatchHeader, BatchRecord, Codec, TimestampType, ValidBatch,
    Validation, ValidationRules, validate,
};

use crate::chance::Chance;
use crate::fuzz::golden;
use crate::fuzz::input::Input;
use crate::fuzz::meter::Bound;
use crate::fuzz::seeds;
use crate::fuzz::target::{Checked, Field, Target, TargetOutcome, promise};

pub(in crate::fuzz) const RECORD_BATCH: Target = Target {
    name: "record_batch",
    decoders: &[
        "batch::parse",
        "batch::from_array",
        "records::take",
        "records::parse_body",
        "varint::take_i32",
        "varint::take_i64",
        "varint::take_unsigned",
        "records::take_nullable",
        "records::take_header",
        "walk::walk",
        "walk::take_shape",
        "validate::validate",
        "search::batch_containing",
        "search::batch_at_time",
        "search::record_at_time",
        "recompress::recompress",
    ],
    golden: || {
        let texts = golden::texts("engine/core/tests/log/batches.txt");
        let lines = texts.iter().flat_map(|text| text.lines()).filter_map(|line| line.split_once(' '));
        lines.map(|(_, hex)| golden::from_hex(hex)).collect()
    },
    seeds: seeds::batches,
    generate: |chance| (0..1 + chance.below(3) / 2).flat_map(|_| batch(Codec::None, chance)).collect(),
    fields,
    repair,
    check,
    ..Target::PLAIN
};

/// Records that a batch lists as refused, with their growing list; the only memory that plain batches take.
const REFUSED_RECORDS: Bound = Bound { per_byte: 0, fixed: 256 * 1024 };
/// The decompressors' own tables and windows; LZ4 takes two blocks of up to 4 MiB, snappy a block at once.
const COMPRESSED: Bound = Bound { per_byte: 44, fixed: 12 << 20 };
/// More than a mutated batch of the sizes here comes to, unless it is a bomb.
const PLAIN_BYTES_MAX: usize = 4 << 20;

/// A batch as producers send it.
pub(super) fn batch(codec: Codec, chance: &mut Chance) -> Vec<u8> {
    let mut builder = BatchBuilder::new(codec);
    if chance.one_in(3) {
        builder = builder.producer(
            millrace_core::base::ProducerId(chance.below(9) as i64),
            millrace_core::base::ProducerEpoch(chance.below(3) as i16),
            millrace_core::base::Sequence(chance.below(100) as i32),
        );
    }
    for _ in 0..1 + chance.below(6) {
        let mut value = vec![7; chance.below(40) as usize];
        chance.fill(&mut value);
        let headers: [(&[u8], Option<&[u8]>); 2] = [(b"header", Some(&value)), (b"", None)];
        let headers = headers.get(..chance.below(3) as usize).unwrap_or_default();
        let key = (!chance.one_in(3)).then_some(&b"some key"[..]);
        let record = BatchRecord {
            timestamp: TimestampMs(chance.below(100) as i64 - 1),
            key,
            value: (!chance.one_in(5)).then_some(&value),
            headers,
        };
        builder.push(record);
    }
    builder.build()
}

fn fields(bytes: &[u8]) -> Vec<Field> {
    let header =
        [(0, 8), (8, 4), (16, 1), (21, 2), (22, 1), (23, 4), (27, 8), (35, 8), (43, 8), (53, 4), (57, 4)];
    // Sizes of records and their fields: most are one byte.
    let varints =
        (RECORD_BATCH_OVERHEAD..bytes.len().min(RECORD_BATCH_OVERHEAD + 24)).map(|at| Field::big(at, 1));
    header.into_iter().map(|(at, width)| Field::big(at, width)).chain(varints).collect()
}

/// Makes the first batch's checksum good, and its length if the batch is the only one.
pub(super) fn repair(bytes: &mut Vec<u8>) {
    let whole = bytes.len();
    let Some(length) = bytes.get(8..).and_then(|rest| rest.first_chunk()).map(|raw| i32::from_be_bytes(*raw))
    else {
        return;
    };
    let mut end = LOG_OVERHEAD.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
    if end > whole {
        end = whole;
        let length = (whole - LOG_OVERHEAD) as i32;
        bytes.splice(8..12, length.to_be_bytes());
    }
    let checksum = crc32c::crc32c(bytes.get(21..end).unwrap_or_default());
    if let Some(place) = bytes.get_mut(17..21) {
        place.copy_from_slice(&checksum.to_be_bytes());
    }
}

pub(super) const RULES: ValidationRules = ValidationRules {
    now: TimestampMs(1000),
    validation: Validation::Full,
    max_message_bytes: 1 << 30,
    segment_bytes: 1 << 30,
    compacted: Compacted::No,
    timestamp_type: TimestampType::CreateTime,
    timestamp_before_max_ms: i64::MAX,
    timestamp_after_max_ms: i64::MAX,
    produce_version: 9,
};

fn check(input: &Input<'_>) -> Checked {
    let bytes = input.bytes;
    check_walk(bytes)?;
    let trusting = ValidationRules { validation: Validation::Header, ..RULES };
    let trusted = REFUSED_RECORDS.hold(bytes.len(), || validate(bytes, &trusting))?;
    let batch = match Batch::parse(bytes) {
        Ok(batch) => batch,
        Err(fault) => {
            promise(trusted.is_err(), || format!("accepted, though its header is refused: {fault}"))?;
            promise(!input.is_whole(), || format!("a good batch is refused: {fault}"))?;
            return check_magic(bytes, &fault);
        }
    };
    check_header(&batch)?;
    let bound = if batch.header.attributes.codec() == Ok(Codec::None) { REFUSED_RECORDS } else { COMPRESSED };
    let before = millrace_rt::allocations().calls;
    let verdict = bound.hold(bytes.len(), || validate(bytes, &RULES))?;
    let calls = millrace_rt::allocations().calls - before;
    if let Ok(valid) = &verdict {
        let plain = valid.header.attributes.codec() == Ok(Codec::None);
        promise(!plain || calls == 0, || format!("{calls} allocations for a good plain batch"))?;
    }
    second_opinion(&batch, &verdict)?;
    check_searches(&batch, &mut input.chance())?;
    match &verdict {
        Ok(valid) => check_under_codecs(&batch, valid, &mut input.chance())?,
        Err(fault) => check_refusal_under_codecs(bytes, fault, &mut input.chance())?,
    }
    Ok(if verdict.is_ok() { TargetOutcome::Decoded } else { TargetOutcome::Refused })
}

/// Formats before magic 2 are named as such, whatever follows.
fn check_magic(bytes: &[u8], fault: &BatchFault) -> Checked {
    let length = bytes.get(8..).and_then(|rest| rest.first_chunk()).map(|raw| i32::from_be_bytes(*raw));
    if let (Some(magic @ (0 | 1)), Some(14..)) = (bytes.get(16), length) {
        let expected = BatchFault::OldMagic(*magic as i8);
        promise(*fault == expected, || format!("magic {magic} is refused as: {fault}"))?;
    }
    Ok(TargetOutcome::Refused)
}

/// Batches one after another, cut by their length fields alone.
fn check_walk(bytes: &[u8]) -> Result<(), String> {
    let mut walk = BatchWalk::new(bytes);
    let mut at = 0;
    for item in walk.by_ref() {
        let Ok(batch) = item else { break };
        let length =
            bytes.get(at + 8..).and_then(|rest| rest.first_chunk()).map(|raw| i32::from_be_bytes(*raw));
        let end = at + LOG_OVERHEAD + length.unwrap_or(0) as usize;
        let same = batch.at == at && Some(batch.bytes) == bytes.get(at..end);
        promise(same, || format!("the batch at {at} is not the one of its length"))?;
        at = end;
    }
    promise(walk.position() == at, || format!("the walk stands at {}, not {at}", walk.position()))?;
    let found = search::batch_containing(bytes, Offset(2));
    let naive = BatchWalk::new(bytes).map_while(Result::ok).find(|batch| batch.header.last_offset().0 >= 2);
    let same = match (&found, naive) {
        (Ok(Some(found)), Some(naive)) => *found == naive,
        (Ok(Some(_)), None) | (_, Some(_)) => false,
        _ => true,
    };
    promise(same, || format!("offset 2 is found at {found:?}, not {naive:?}"))?;
    // Only that it comes back: the time of a batch is what its header says.
    let _ = search::batch_at_time(bytes, TimestampMs(50), Offset(0));
    Ok(())
}

fn check_header(batch: &Batch<'_>) -> Result<(), String> {
    let encoded = batch.header.encode();
    promise(batch.bytes.starts_with(&encoded), || format!("the header comes back as {encoded:x?}"))?;
    promise(BatchHeader::parse(&encoded) == Ok(batch.header), || {
        "an encoded header is read otherwise".to_owned()
    })?;
    let good = batch.bytes.get(17..21)
        == Some(&crc32c::crc32c(batch.bytes.get(21..).unwrap_or_default()).to_be_bytes());
    promise(batch.verify_checksum().is_ok() == good, || "the checksum is judged otherwise".to_owned())
}

/// The records of a batch as the borrowed reader sees them, if all is well with them.
fn read<'a>(plain: &'a [u8], count: i32) -> Option<Vec<Record<'a>>> {
    let mut records = Vec::new();
    for (index, record) in Records::new(plain, count).enumerate() {
        records.push(record.ok().filter(|record| usize::try_from(record.offset_delta) == Ok(index))?);
    }
    Some(records)
}

/// The validator walks records through a window without keeping them;
/// the reader borrows them from memory. Both must say the same.
fn second_opinion(batch: &Batch<'_>, verdict: &Result<ValidBatch, BatchFault>) -> Result<(), String> {
    let Ok(codec) = batch.header.attributes.codec() else {
        return promise(verdict.is_err(), || "an unknown codec is accepted".to_owned());
    };
    let plain = match decompress(codec, batch.body(), PLAIN_BYTES_MAX) {
        Err(BatchFault::Bomb { .. }) => return Ok(()),
        other => other,
    };
    let records = plain.as_ref().ok().and_then(|plain| read(plain, batch.header.records_count));
    match (verdict, &records) {
        (Ok(valid), Some(records)) => {
            let (mut max, mut max_delta) = (TimestampMs::NONE, 0);
            for record in records {
                let timestamp = timestamp_of(&batch.header, record);
                if timestamp > max {
                    (max, max_delta) = (timestamp, record.offset_delta);
                }
            }
            let said = (valid.max_timestamp, valid.max_timestamp_delta);
            promise(said == (max, max_delta), || {
                format!("largest timestamp {said:?}, but {:?}", (max, max_delta))
            })?;
            written_again(&batch.header, records)
        }
        (Ok(_), None) => Err(format!("accepted, but the records are not readable: {plain:?}")),
        (Err(fault @ (BatchFault::Record(_) | BatchFault::Undecodable)), Some(_)) => {
            Err(format!("refused as {fault}, but every record is readable"))
        }
        _ => Ok(()),
    }
}

fn timestamp_of(header: &BatchHeader, record: &Record<'_>) -> TimestampMs {
    match header.attributes.timestamp_type() {
        TimestampType::CreateTime => {
            TimestampMs(header.base_timestamp.0.wrapping_add(record.timestamp_delta))
        }
        TimestampType::LogAppendTime => header.max_timestamp,
    }
}

/// Records written by the builder are read as what they were.
fn written_again(header: &BatchHeader, records: &[Record<'_>]) -> Result<(), String> {
    const RECORDS_MAX: usize = 100;
    let records = records.get(..records.len().min(RECORDS_MAX)).unwrap_or_default();
    let timestamp = |record: &Record<'_>| header.base_timestamp.0.wrapping_add(record.timestamp_delta);
    let mut builder = BatchBuilder::new(Codec::None);
    for record in records {
        let headers: Vec<_> = record.headers.collect();
        let timestamp = TimestampMs(timestamp(record));
        builder.push(BatchRecord { timestamp, key: record.key, value: record.value, headers: &headers });
    }
    let bytes = builder.build();
    let again = Batch::parse(&bytes).map_err(|fault| format!("what is built is refused: {fault}"))?;
    let read = read(again.body(), again.header.records_count).unwrap_or_default();
    let same = |(one, two): (&Record<'_>, &Record<'_>)| {
        let time = again.header.base_timestamp.0.wrapping_add(two.timestamp_delta);
        (one.key, one.value, timestamp(one)) == (two.key, two.value, time) && one.headers.eq(two.headers)
    };
    let all = read.len() == records.len() && records.iter().zip(&read).all(same);
    promise(all, || format!("{records:?} comes back as {read:?}"))
}

/// Searches by time against a look at each record.
fn check_searches(batch: &Batch<'_>, chance: &mut Chance) -> Result<(), String> {
    let Ok(codec) = batch.header.attributes.codec() else { return Ok(()) };
    let Ok(plain) = decompress(codec, batch.body(), PLAIN_BYTES_MAX) else { return Ok(()) };
    let Some(records) = read(&plain, batch.header.records_count) else { return Ok(()) };
    let found = |record: &Record<'_>| FoundRecord {
        offset: batch.header.base_offset.plus(i64::from(record.offset_delta)),
        timestamp: timestamp_of(&batch.header, record),
    };
    let (time, from) = (TimestampMs(chance.below(110) as i64 - 5), Offset(chance.below(6) as i64));
    let naive = records.iter().map(found).find(|record| record.timestamp >= time && record.offset >= from);
    let ours = search::record_at_time(batch, time, from);
    promise(ours == Ok(naive), || format!("at {time:?} from {from}: {ours:?}, not {naive:?}"))
}

/// The batch with its body, which is not compressed, put under a codec.
fn under(codec: Codec, header: &BatchHeader, body: &[u8]) -> Option<Vec<u8>> {
    let stored = compress(codec, body).ok()?;
    let length = (RECORD_BATCH_OVERHEAD - LOG_OVERHEAD + stored.len()) as i32;
    let attributes: Attributes = header.attributes.with_codec(codec);
    let mut bytes = BatchHeader { length, attributes, ..*header }.encode().to_vec();
    bytes.extend_from_slice(&stored);
    repair(&mut bytes);
    Some(bytes)
}

fn other_codec(chance: &mut Chance) -> Codec {
    let compressing = Codec::ALL.get(1..).unwrap_or_default();
    compressing.get(chance.below(compressing.len() as u64) as usize).copied().unwrap_or(Codec::Lz4)
}

/// A good batch is good under every codec, and comes back from it.
fn check_under_codecs(batch: &Batch<'_>, valid: &ValidBatch, chance: &mut Chance) -> Result<(), String> {
    let codec = other_codec(chance);
    if batch.header.attributes.codec() != Ok(Codec::None) {
        return Ok(());
    }
    let stored = recompress(valid, batch.bytes, codec)
        .map_err(|fault| format!("recompression to {codec:?}: {fault}"))?;
    let Some((stored_valid, whole)) = stored else {
        return Err(format!("nothing is stored under {codec:?}"));
    };
    let again =
        validate(&whole, &RULES).map_err(|fault| format!("good, but refused under {codec:?}: {fault}"))?;
    promise(again.header == stored_valid.header, || format!("another header under {codec:?}: {again:?}"))?;
    let said = |valid: &ValidBatch| (valid.max_timestamp, valid.max_timestamp_delta);
    promise(said(&again) == said(valid), || format!("another largest timestamp under {codec:?}"))?;
    let back =
        recompress(&again, &whole, Codec::None).map_err(|fault| format!("back from {codec:?}: {fault}"))?;
    let body = |bytes: &[u8]| bytes.get(RECORD_BATCH_OVERHEAD..).unwrap_or_default().to_vec();
    let same = back.is_some_and(|(_, bytes)| body(&bytes) == batch.body());
    promise(same, || format!("the records come back changed from {codec:?}"))
}

/// Records that are refused as they are, are refused under every codec.
fn check_refusal_under_codecs(bytes: &[u8], fault: &BatchFault, chance: &mut Chance) -> Result<(), String> {
    let Ok(batch) = Batch::parse(bytes) else { return Ok(()) };
    let BatchFault::Record(_) = fault else { return Ok(()) };
    let codec = other_codec(chance);
    let Some(stored) = under(codec, &batch.header, batch.body()) else { return Ok(()) };
    let verdict = COMPRESSED.hold(stored.len(), || validate(&stored, &RULES))?;
    promise(verdict.is_err(), || format!("refused plain ({fault}), accepted under {codec:?}"))
}
