//! Variable-length numbers: seven bits per byte, least significant first; signed ones are zigzag.

use bytes::BufMut;

/// A number of 32 bits has at most five bytes, of 64 bits ten.
const BYTES_MAX_32: u32 = 5;
const BYTES_MAX_64: u32 = 10;

/// Why bytes do not begin with a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VarintError {
    #[error("the bytes end within a variable-length number")]
    Ends,
    #[error("a variable-length number is too long")]
    TooLong,
}

/// Takes an unsigned number of 32 bits. Bits beyond them are an error.
#[inline]
pub fn take_u32(bytes: &mut &[u8]) -> Result<u32, VarintError> {
    let value = take_unsigned(bytes, BYTES_MAX_32)?;
    u32::try_from(value).map_err(|_| VarintError::TooLong)
}

/// Takes a signed number of 32 bits. Bits beyond them are dropped, as Kafka drops them in records.
#[inline]
pub fn take_i32(bytes: &mut &[u8]) -> Result<i32, VarintError> {
    Ok(from_zigzag_32(take_unsigned(bytes, BYTES_MAX_32)? as u32))
}

/// Takes a signed number of 64 bits. Bits beyond them are dropped, as Kafka drops them in records.
#[inline]
pub fn take_i64(bytes: &mut &[u8]) -> Result<i64, VarintError> {
    Ok(from_zigzag_64(take_unsigned(bytes, BYTES_MAX_64)?))
}

/// The signed number whose zigzag form this is.
#[inline]
pub const fn from_zigzag_32(raw: u32) -> i32 {
    (raw >> 1) as i32 ^ -((raw & 1) as i32)
}

/// The signed number whose zigzag form this is.
#[inline]
pub const fn from_zigzag_64(raw: u64) -> i64 {
    (raw >> 1) as i64 ^ -((raw & 1) as i64)
}

/// Appends an unsigned number; one of 32 bits takes the same bytes as in `put_u64`.
#[inline]
pub fn put_u32(out: &mut impl BufMut, value: u32) {
    put_u64(out, u64::from(value));
}

/// Appends an unsigned number.
#[inline]
pub fn put_u64(out: &mut impl BufMut, mut value: u64) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

/// Appends a signed number; one of 32 bits takes the same bytes whichever of the two types reads it.
#[inline]
pub fn put_i64(out: &mut impl BufMut, value: i64) {
    put_u64(out, ((value << 1) ^ (value >> 63)) as u64);
}

#[inline]
fn take_unsigned(bytes: &mut &[u8], bytes_max: u32) -> Result<u64, VarintError> {
    let mut value = 0u64;
    for place in 0..bytes_max {
        let (&byte, rest) = bytes.split_first().ok_or(VarintError::Ends)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(VarintError::TooLong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_are_zigzag() {
        let cases: [(i64, &[u8]); 10] = [
            (0, &[0]),
            (-1, &[1]),
            (1, &[2]),
            (63, &[126]),
            (64, &[0x80, 0x01]),
            (-65, &[0x81, 0x01]),
            (1024, &[0x80, 0x10]),
            (i64::from(i32::MAX), &[0xfe, 0xff, 0xff, 0xff, 0x0f]),
            (i64::from(i32::MIN), &[0xff, 0xff, 0xff, 0xff, 0x0f]),
            (i64::MIN, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        ];
        for (value, bytes) in cases {
            let mut out = Vec::new();
            put_i64(&mut out, value);
            assert_eq!(out, bytes, "{value}");
            assert_eq!(take_i64(&mut &bytes[..]), Ok(value));
            if let Ok(small) = i32::try_from(value) {
                assert_eq!(take_i32(&mut &bytes[..]), Ok(small));
            }
        }
    }

    #[test]
    fn faulty_varints() {
        assert_eq!(take_i32(&mut &[0x80, 0x80, 0x80, 0x80, 0x80, 0x00][..]), Err(VarintError::TooLong));
        assert_eq!(take_i32(&mut &[0x80, 0x80][..]), Err(VarintError::Ends));
        assert_eq!(take_i64(&mut &[0xff; 11][..]), Err(VarintError::TooLong));
    }

    #[test]
    fn bits_beyond_a_signed_number_are_dropped_and_refused_in_an_unsigned_one() {
        let bytes = [0xff, 0xff, 0xff, 0xff, 0x1f];
        assert_eq!(take_i32(&mut &bytes[..]), Ok(i32::MIN));
        assert_eq!(take_u32(&mut &bytes[..]), Err(VarintError::TooLong));
    }
}
