//! Kafka's primitive types on bytes: big-endian integers and variable-length ones.

#[derive(Default)]
pub(crate) struct Writer {
    pub(crate) bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The low `size` bytes of a whole number.
    pub(crate) fn integer(&mut self, value: i64, size: usize) {
        let bytes = value.to_be_bytes();
        self.put(bytes.get(bytes.len() - size..).unwrap_or(&bytes));
    }

    pub(crate) fn unsigned_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// Zigzag form, as inside records.
    pub(crate) fn varint(&mut self, value: i64) {
        self.unsigned_varint(((value << 1) ^ (value >> 63)) as u64);
    }
}

/// Takes values from the front of bytes; every length is checked against what is left.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let Some((taken, rest)) = self.rest.split_at_checked(count) else {
            return Err(format!("{count} bytes are expected, {} are left", self.rest.len()));
        };
        self.rest = rest;
        Ok(taken)
    }

    /// A signed number of `size` bytes.
    pub(crate) fn integer(&mut self, size: usize) -> Result<i64, String> {
        let bytes = self.take(size)?;
        let start = if bytes.first().is_some_and(|b| b & 0x80 != 0) { -1 } else { 0 };
        Ok(bytes.iter().fold(start, |sum, byte| sum << 8 | i64::from(*byte)))
    }

    pub(crate) fn int32(&mut self) -> Result<i32, String> {
        Ok(self.integer(4)? as i32)
    }

    pub(crate) fn unsigned_varint(&mut self) -> Result<u64, String> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.integer(1)? as u8;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("a variable-length number does not end".to_owned())
    }

    pub(crate) fn varint(&mut self) -> Result<i64, String> {
        let raw = self.unsigned_varint()?;
        Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_back() {
        for value in [0, 1, -1, 63, -64, 64, 300, -301, i64::from(i32::MIN), i64::MAX, i64::MIN] {
            let mut out = Writer::default();
            out.varint(value);
            out.integer(value, 8);
            out.integer(value, 2);
            let mut reader = Reader::new(&out.bytes);
            assert_eq!(reader.varint(), Ok(value));
            assert_eq!(reader.integer(8), Ok(value));
            assert_eq!(reader.integer(2), Ok(i64::from(value as i16)));
            assert_eq!(reader.left(), 0);
        }
    }
}
