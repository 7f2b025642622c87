//! Records inside a batch: one record as borrowed parts, and the iterator over decompressed bytes.

use millrace_codec::varint::{put_i64, take_i32, take_i64};

use super::fault::RecordFault;

/// Smallest record: length, attributes and five one-byte varints.
pub const RECORD_BYTES_MIN: usize = 7;

/// One record; keys, values and headers borrow from the batch's decompressed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    pub attributes: i8,
    /// Milliseconds after the batch's base timestamp.
    pub timestamp_delta: i64,
    /// Offsets after the batch's base offset.
    pub offset_delta: i32,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: RecordHeaders<'a>,
}

impl<'a> Record<'a> {
    /// Takes one record off the front of `bytes`.
    pub fn take(bytes: &mut &'a [u8]) -> Result<Record<'a>, RecordFault> {
        let mut rest = *bytes;
        let size = usize::try_from(take_i32(&mut rest)?).map_err(|_| RecordFault::Size)?;
        let (mut body, rest) = rest.split_at_checked(size).ok_or(RecordFault::Ends)?;
        let record = Record::parse_body(&mut body)?;
        if !body.is_empty() {
            return Err(RecordFault::Size);
        }
        *bytes = rest;
        Ok(record)
    }

    /// Appends the record as it was, without its size, with another time.
    pub(in crate::log) fn encode_body(&self, timestamp_delta: i64, out: &mut Vec<u8>) {
        out.push(self.attributes as u8);
        put_i64(out, timestamp_delta);
        put_i64(out, i64::from(self.offset_delta));
        put_nullable(out, self.key);
        put_nullable(out, self.value);
        put_i64(out, self.headers.left as i64);
        out.extend_from_slice(self.headers.bytes);
    }

    fn parse_body(body: &mut &'a [u8]) -> Result<Record<'a>, RecordFault> {
        let (&attributes, rest) = body.split_first().ok_or(RecordFault::Ends)?;
        *body = rest;
        let timestamp_delta = take_i64(body)?;
        let offset_delta = take_i32(body)?;
        let key = take_nullable(body)?;
        let value = take_nullable(body)?;
        let count = take_i32(body)?;
        // A header takes two bytes at least, so that a false count is found before anything is taken for it.
        let left = usize::try_from(count).map_err(|_| RecordFault::HeadersCount(count))?;
        if left > body.len() {
            return Err(RecordFault::HeadersCount(count));
        }
        let start = *body;
        for _ in 0..left {
            take_header(body)?;
        }
        let bytes = start.get(..start.len() - body.len()).unwrap_or_default();
        let headers = RecordHeaders { bytes, left };
        Ok(Record { attributes: attributes as i8, timestamp_delta, offset_delta, key, value, headers })
    }
}

/// The headers of a record, in order, duplicates included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecordHeaders<'a> {
    /// Exactly `left` headers, walked once when the record was parsed.
    bytes: &'a [u8],
    left: usize,
}

impl<'a> Iterator for RecordHeaders<'a> {
    /// Key and value.
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let header = take_header(&mut self.bytes);
        assert!(header.is_ok(), "headers were walked when their record was parsed");
        header.ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for RecordHeaders<'_> {}

/// Walks `count` records in decompressed bytes. A fault is the last item; bytes left over are one.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    bytes: &'a [u8],
    left: i32,
}

impl<'a> Records<'a> {
    pub fn new(bytes: &'a [u8], count: i32) -> Records<'a> {
        Records { bytes, left: count }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, RecordFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left <= 0 {
            // Only where there was no count to begin with.
            let over = std::mem::take(&mut self.bytes);
            return (!over.is_empty()).then_some(Err(RecordFault::Remaining));
        }
        self.left -= 1;
        let result = match Record::take(&mut self.bytes) {
            Ok(_) if self.left == 0 && !self.bytes.is_empty() => Err(RecordFault::Remaining),
            other => other,
        };
        if result.is_err() {
            (self.bytes, self.left) = (&[], 0);
        }
        Some(result)
    }
}

/// Appends a length and as many bytes, or -1.
pub(in crate::log) fn put_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => put_i64(out, -1),
        Some(bytes) => {
            put_i64(out, bytes.len() as i64);
            out.extend_from_slice(bytes);
        }
    }
}

/// A length and as many bytes; any negative length is null, as Kafka reads it.
fn take_nullable<'a>(bytes: &mut &'a [u8]) -> Result<Option<&'a [u8]>, RecordFault> {
    let Ok(length) = usize::try_from(take_i32(bytes)?) else {
        return Ok(None);
    };
    let (part, rest) = bytes.split_at_checked(length).ok_or(RecordFault::Ends)?;
    *bytes = rest;
    Ok(Some(part))
}

type Header<'a> = (&'a [u8], Option<&'a [u8]>);

fn take_header<'a>(bytes: &mut &'a [u8]) -> Result<Header<'a>, RecordFault> {
    let length = take_i32(bytes)?;
    let length = usize::try_from(length).map_err(|_| RecordFault::HeaderKey(length))?;
    let (key, rest) = bytes.split_at_checked(length).ok_or(RecordFault::Ends)?;
    *bytes = rest;
    Ok((key, take_nullable(bytes)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faulty_varints() {
        let fault = |bytes: &[u8]| Record::take(&mut &bytes[..]).err();
        assert_eq!(fault(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x00]), Some(RecordFault::Varint));
        assert_eq!(fault(&[0x80, 0x80]), Some(RecordFault::Ends));
    }

    #[test]
    fn bytes_without_a_count_are_left_over() {
        for count in [0, -1, i32::MIN] {
            let walked: Vec<_> = Records::new(&[0], count).collect();
            assert_eq!(walked, [Err(RecordFault::Remaining)], "{count}");
            assert_eq!(Records::new(&[], count).count(), 0, "{count}");
        }
        assert_eq!(Records::new(&[0, 0], 3).collect::<Vec<_>>(), [Err(RecordFault::Ends)]);
    }

    #[test]
    fn a_record_must_fill_its_size() {
        // Attributes 0, time +1, offset 0, key "k", value null, no headers.
        let whole = [16, 0, 2, 0, 2, b'k', 1, 0, 0];
        assert_eq!(Record::take(&mut &whole[..]), Err(RecordFault::Size));
        let exact = [14, 0, 2, 0, 2, b'k', 1, 0];
        let record = Record::take(&mut &exact[..]).unwrap();
        assert_eq!((record.key, record.value, record.timestamp_delta), (Some(&b"k"[..]), None, 1));
        for cut in 0..exact.len() {
            assert!(Record::take(&mut &exact[..cut]).is_err());
        }
    }
}
