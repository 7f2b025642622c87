//! One pass over the records of a batch that looks at their shape only,
//! over plain bytes or through a decompressor.

use std::io::Read;

use millrace_codec::varint::{from_zigzag_32, from_zigzag_64};

use super::batch::Batch;
use super::compression::{DECOMPRESSED_BYTES_MAX, Inflate, fault_of};
use super::fault::{BatchFault, RecordFault};

/// What a walk tells of each record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::log) struct Shape {
    pub(in crate::log) index: i32,
    pub(in crate::log) timestamp_delta: i64,
    pub(in crate::log) offset_delta: i32,
    pub(in crate::log) has_key: bool,
    /// The record's fields take exactly its declared size. Always so in an uncompressed batch.
    pub(in crate::log) fills_size: bool,
}

/// Whether a walk goes on after a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::log) enum Next {
    Continue,
    /// The rest of the batch is not looked at.
    Stop,
}

/// Bytes decompressed ahead of the walk. The walk needs no more than a few bytes at once,
/// whatever a record's size.
const WINDOW_BYTES: usize = 16 * 1024;

/// Calls `visit` for each record in order, until it stops or refuses. Allocates only if the batch is
/// compressed. Checks what Kafka's `DefaultRecord` checks, and that the records fill the batch exactly.
pub(in crate::log) fn walk<F>(batch: &Batch<'_>, visit: F) -> Result<(), BatchFault>
where
    F: FnMut(Shape) -> Result<Next, BatchFault>,
{
    walk_within(batch, DECOMPRESSED_BYTES_MAX, visit)
}

/// As `walk`, over a batch that is taken for a bomb if it inflates to more than `inflated_max` bytes.
pub(in crate::log) fn walk_within<F>(batch: &Batch<'_>, inflated_max: u64, visit: F) -> Result<(), BatchFault>
where
    F: FnMut(Shape) -> Result<Next, BatchFault>,
{
    let codec = batch.header.attributes.codec()?;
    let count = batch.header.records_count;
    match Inflate::new(codec, batch.body(), inflated_max)? {
        None => walk_source(Plain { rest: batch.body(), taken: 0 }, count, visit),
        Some(inflate) => walk_source(Window::new(inflate, inflated_max), count, visit),
    }
}

fn walk_source<S, F>(mut source: S, count: i32, mut visit: F) -> Result<(), BatchFault>
where
    S: Source,
    F: FnMut(Shape) -> Result<Next, BatchFault>,
{
    for index in 0..count {
        let shape = take_shape(&mut source, index)?;
        if visit(shape)? == Next::Stop {
            return Ok(());
        }
    }
    if source.is_at_end()? { Ok(()) } else { Err(RecordFault::Remaining.into()) }
}

fn take_shape<S: Source>(source: &mut S, index: i32) -> Result<Shape, BatchFault> {
    let size = u64::try_from(varint(source)?).ok();
    let start = source.taken();
    source.expect(size.unwrap_or(0))?;
    source.byte()?;
    let timestamp_delta = from_zigzag_64(unsigned(source, 10)?);
    let offset_delta = varint(source)?;
    let has_key = skip_nullable(source)?;
    skip_nullable(source)?;
    let headers = varint(source)?;
    if headers < 0 {
        return Err(RecordFault::HeadersCount(headers).into());
    }
    // Each header takes two bytes at least, so a false count ends with the bytes.
    for _ in 0..headers {
        let key = varint(source)?;
        let length = u64::try_from(key).map_err(|_| RecordFault::HeaderKey(key))?;
        source.skip(length)?;
        skip_nullable(source)?;
    }
    let fills_size = Some(source.taken() - start) == size;
    if S::REFUSES_MISFITS && !fills_size {
        return Err(RecordFault::Size.into());
    }
    Ok(Shape { index, timestamp_delta, offset_delta, has_key, fills_size })
}

/// Skips a length and as many bytes; tells whether it was there (any negative length is null).
fn skip_nullable<S: Source>(source: &mut S) -> Result<bool, BatchFault> {
    match u64::try_from(varint(source)?) {
        Ok(length) => source.skip(length).map(|()| true),
        Err(_) => Ok(false),
    }
}

#[inline]
fn varint<S: Source>(source: &mut S) -> Result<i32, BatchFault> {
    Ok(from_zigzag_32(unsigned(source, 5)? as u32))
}

#[inline]
fn unsigned<S: Source>(source: &mut S, bytes_max: u32) -> Result<u64, BatchFault> {
    match source.short_varint() {
        Some(value) => Ok(value),
        None => long_varint(source, bytes_max),
    }
}

/// As the codec's, which takes its bytes from a slice:
/// a window may have to be filled again in the middle of a number.
fn long_varint<S: Source>(source: &mut S, bytes_max: u32) -> Result<u64, BatchFault> {
    let mut value = 0u64;
    for place in 0..bytes_max {
        let byte = source.byte()?;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(RecordFault::Varint.into())
}

/// A varint of one or two bytes at the front, as nearly all are, and how many. A record has six or more, and
/// validation reads them all: the codec's loop, a byte at a time, would show.
#[inline]
fn short_varint(bytes: &[u8]) -> Option<(u64, usize)> {
    match *bytes {
        [first, ..] if first < 0x80 => Some((u64::from(first), 1)),
        [first, second, ..] if second < 0x80 => Some((u64::from(first & 0x7f) | u64::from(second) << 7, 2)),
        _ => None,
    }
}

/// Bytes that are read once, forward.
trait Source {
    /// A record that does not fill its size ends the walk at once,
    /// before any other fault of the batch is named.
    const REFUSES_MISFITS: bool;

    /// A varint that is short and at hand. None says nothing, and takes nothing.
    fn short_varint(&mut self) -> Option<u64>;
    fn byte(&mut self) -> Result<u8, BatchFault>;
    fn skip(&mut self, count: u64) -> Result<(), BatchFault>;
    /// Fails early if it is known that `count` more bytes do not exist.
    fn expect(&mut self, count: u64) -> Result<(), BatchFault>;
    /// Bytes read and skipped so far.
    fn taken(&self) -> u64;
    fn is_at_end(&mut self) -> Result<bool, BatchFault>;
}

/// Uncompressed records.
struct Plain<'a> {
    rest: &'a [u8],
    taken: u64,
}

impl Source for Plain<'_> {
    const REFUSES_MISFITS: bool = true;

    #[inline]
    fn short_varint(&mut self) -> Option<u64> {
        let (value, length) = short_varint(self.rest)?;
        self.rest = self.rest.get(length..)?;
        self.taken += length as u64;
        Some(value)
    }

    #[inline]
    fn byte(&mut self) -> Result<u8, BatchFault> {
        let (&byte, rest) = self.rest.split_first().ok_or(RecordFault::Ends)?;
        self.rest = rest;
        self.taken += 1;
        Ok(byte)
    }

    #[inline]
    fn skip(&mut self, count: u64) -> Result<(), BatchFault> {
        let count = usize::try_from(count).map_err(|_| RecordFault::Ends)?;
        self.rest = self.rest.get(count..).ok_or(RecordFault::Ends)?;
        self.taken += count as u64;
        Ok(())
    }

    fn expect(&mut self, count: u64) -> Result<(), BatchFault> {
        if count > self.rest.len() as u64 { Err(RecordFault::Ends.into()) } else { Ok(()) }
    }

    fn taken(&self) -> u64 {
        self.taken
    }

    fn is_at_end(&mut self) -> Result<bool, BatchFault> {
        Ok(self.rest.is_empty())
    }
}

/// Records behind a decompressor; holds `WINDOW_BYTES` of them.
struct Window<'a> {
    inflate: Inflate<'a>,
    buffer: Box<[u8]>,
    at: usize,
    filled: usize,
    /// Bytes decompressed before the window.
    before: u64,
    inflated_max: u64,
}

impl<'a> Window<'a> {
    fn new(inflate: Inflate<'a>, inflated_max: u64) -> Window<'a> {
        let buffer = vec![0; WINDOW_BYTES].into_boxed_slice();
        Window { inflate, buffer, at: 0, filled: 0, before: 0, inflated_max }
    }

    /// Replaces the read window by the next one; false at the end. One read at a time, so that a fault of the
    /// stream shows only once the records before it were walked, as in Kafka.
    fn refill(&mut self) -> Result<bool, BatchFault> {
        assert_eq!(self.at, self.filled, "a window is replaced once it is read");
        self.before += self.filled as u64;
        (self.at, self.filled) = (0, 0);
        if self.before > self.inflated_max {
            return Err(BatchFault::Bomb { max: self.inflated_max });
        }
        self.filled = self.inflate.read(&mut self.buffer).map_err(fault_of)?;
        Ok(self.filled > 0)
    }
}

impl Source for Window<'_> {
    const REFUSES_MISFITS: bool = false;

    #[inline]
    fn short_varint(&mut self) -> Option<u64> {
        let (value, length) = short_varint(self.buffer.get(self.at..self.filled)?)?;
        self.at += length;
        Some(value)
    }

    #[inline]
    fn byte(&mut self) -> Result<u8, BatchFault> {
        if self.at == self.filled && !self.refill()? {
            return Err(RecordFault::Ends.into());
        }
        let byte = *self.buffer.get(self.at).ok_or(RecordFault::Ends)?;
        self.at += 1;
        Ok(byte)
    }

    fn skip(&mut self, count: u64) -> Result<(), BatchFault> {
        let mut left = count;
        loop {
            let ready = (self.filled - self.at) as u64;
            if left <= ready {
                self.at += left as usize;
                return Ok(());
            }
            left -= ready;
            self.at = self.filled;
            if !self.refill()? {
                return Err(RecordFault::Ends.into());
            }
        }
    }

    fn expect(&mut self, _count: u64) -> Result<(), BatchFault> {
        Ok(())
    }

    fn taken(&self) -> u64 {
        self.before + self.at as u64
    }

    fn is_at_end(&mut self) -> Result<bool, BatchFault> {
        Ok(self.at == self.filled && !self.refill()?)
    }
}
