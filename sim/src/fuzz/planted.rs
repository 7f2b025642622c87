//! A decoder of a list of numbers with one fault at a time: what the harness must catch.

use super::input::Input;
use super::meter::Bound;
use super::target::{Checked, Field, Target, TargetOutcome, promise};

/// One target per fault, and the decoder without one.
pub static PLANTED: &[Target] = &[
    Target { name: "planted-none", check: |input| check(input, Fault::None), ..LIST },
    Target { name: "planted-panic", check: |input| check(input, Fault::Panic), ..LIST },
    Target { name: "planted-memory", check: |input| check(input, Fault::Memory), ..LIST },
    Target { name: "planted-round-trip", check: |input| check(input, Fault::RoundTrip), ..LIST },
    Target { name: "planted-checksum", check: |input| check(input, Fault::Checksum), ..LIST },
];

/// Count (2 bytes), numbers (2 bytes each), CRC-32C; big-endian.
const LIST: Target = Target {
    generate: |chance| encode(&(0..chance.below(9) as u16).map(|n| n * 300).collect::<Vec<u16>>()),
    fields: |_| vec![Field::big(0, 2)],
    repair: |bytes| {
        let Some((body, checksum)) = bytes.split_last_chunk_mut() else { return };
        *checksum = crc32c::crc32c(body).to_be_bytes();
    },
    ..Target::PLAIN
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// A count of zero with bytes behind it is an index out of range.
    Panic,
    /// Memory is taken for the count that the input claims.
    Memory,
    /// Numbers from 0x8000 on lose their first bit.
    RoundTrip,
    /// Checksums are not looked at.
    Checksum,
}

const NUMBERS: Bound = Bound { per_byte: 4, fixed: 64 };

fn encode(numbers: &[u16]) -> Vec<u8> {
    let mut bytes = (numbers.len() as u16).to_be_bytes().to_vec();
    numbers.iter().for_each(|number| bytes.extend_from_slice(&number.to_be_bytes()));
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_be_bytes());
    bytes
}

fn decode(bytes: &[u8], fault: Fault) -> Option<Vec<u16>> {
    let (body, checksum) = bytes.split_last_chunk()?;
    if fault != Fault::Checksum && crc32c::crc32c(body) != u32::from_be_bytes(*checksum) {
        return None;
    }
    let (count, rest) = body.split_first_chunk()?;
    let count = usize::from(u16::from_be_bytes(*count));
    assert!(fault != Fault::Panic || count > 0 || rest.is_empty(), "a planted fault");
    let room = if fault == Fault::Memory { count } else { count.min(rest.len() / 2) };
    let mut numbers = Vec::with_capacity(room);
    numbers.extend(
        rest.chunks_exact(2).map(|pair| pair.iter().fold(0, |sum, byte| sum << 8 | u16::from(*byte))),
    );
    if fault == Fault::RoundTrip {
        numbers.iter_mut().for_each(|number| *number &= 0x7fff);
    }
    (rest.len() == 2 * count).then_some(numbers)
}

fn check(input: &Input<'_>, fault: Fault) -> Checked {
    let Some(numbers) = NUMBERS.hold(input.bytes.len(), || decode(input.bytes, fault))? else {
        promise(!input.is_whole(), || "a good list is refused".to_owned())?;
        return Ok(TargetOutcome::Refused);
    };
    let sources = input.sources();
    let is_known =
        sources.is_empty() || sources.iter().any(|source| decode(source, fault).as_ref() == Some(&numbers));
    promise(is_known, || "damage is not noticed".to_owned())?;
    promise(fault == Fault::Checksum || encode(&numbers) == input.bytes, || {
        "another list is written".to_owned()
    })?;
    Ok(TargetOutcome::Decoded)
}
