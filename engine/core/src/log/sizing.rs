//! How much the records of a compressed batch inflate to, found out a step at a time.

use std::io::Read;

use crate::log::batch::Batch;
use crate::log::compression::{DECOMPRESSED_BYTES_MAX, Inflate};

/// Bytes inflated at once.
const WINDOW_BYTES: usize = 64 * 1024;

/// Inflates a batch and keeps nothing of it. Driven by whoever is about to validate a batch that may be a bomb: between two
/// steps others have their turn.
pub struct Sizing<'a> {
    inflate: Inflate<'a>,
    window: Box<[u8]>,
    bytes: u64,
}

/// What is known after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// There is more to inflate.
    Unknown,
    /// What validation may inflate, or what it refuses for another reason.
    Bearable,
    /// More than a batch may come to.
    Bomb,
}

impl<'a> Sizing<'a> {
    /// Nothing where there is nothing to inflate: such a batch is validated at once.
    pub fn new(bytes: &'a [u8]) -> Option<Sizing<'a>> {
        let batch = Batch::parse(bytes).ok()?;
        let inflate = Inflate::new(batch.header.attributes.codec().ok()?, batch.body()).ok()??;
        Some(Sizing { inflate, window: vec![0; WINDOW_BYTES].into_boxed_slice(), bytes: 0 })
    }

    /// Inflates about `bytes` more.
    pub fn step(&mut self, bytes: u64) -> Size {
        let end = self.bytes.saturating_add(bytes);
        while self.bytes < end {
            match self.inflate.read(&mut self.window) {
                Ok(count) if count > 0 => self.bytes += count as u64,
                // The stream's end, or its fault, which validation names.
                _ => return Size::Bearable,
            }
            if self.bytes > DECOMPRESSED_BYTES_MAX {
                return Size::Bomb;
            }
        }
        Size::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::TimestampMs;
    use crate::log::compression::compress;
    use crate::log::{BatchBuilder, BatchRecord, Codec};

    fn of(codec: Codec, value_bytes: usize) -> Vec<u8> {
        let value = vec![0; value_bytes];
        let mut builder = BatchBuilder::new(codec);
        builder.push(BatchRecord { timestamp: TimestampMs(0), key: None, value: Some(&value), headers: &[] });
        builder.build()
    }

    #[test]
    fn sizes_are_found_in_steps() {
        for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            let bytes = of(codec, 1_000_000);
            let mut sizing = Sizing::new(&bytes).unwrap();
            let steps =
                std::iter::from_fn(|| Some(sizing.step(100_000))).take_while(|size| *size == Size::Unknown);
            assert!((5..=11).contains(&steps.count()), "{codec:?}");
            assert_eq!(sizing.step(1), Size::Bearable);
        }
        assert!(Sizing::new(&of(Codec::None, 10)).is_none());
        assert!(Sizing::new(b"no batch").is_none());
    }

    #[test]
    fn a_bomb_is_one_before_its_end() {
        let zeros = vec![0; 1 << 20];
        let member = compress(Codec::Gzip, &zeros).unwrap();
        let more = (DECOMPRESSED_BYTES_MAX >> 20) as usize + 1;
        let stream = member.repeat(more);
        let mut sizing = Sizing {
            inflate: Inflate::new(Codec::Gzip, &stream).unwrap().unwrap(),
            window: vec![0; WINDOW_BYTES].into_boxed_slice(),
            bytes: 0,
        };
        assert_eq!(sizing.step(1 << 20), Size::Unknown);
        assert_eq!(sizing.step(u64::MAX), Size::Bomb);
    }
}
