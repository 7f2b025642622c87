//! Batches of a few kilobytes that decompress to a gigabyte, in every codec.

use std::io::Write;
use std::time::Duration;

use millrace_codec::varint::put_u64;

use super::honest::{Attack, beside, broker};
use super::peer::Peer;
use crate::client::{pack_batch, produce_frame};
use crate::clock;
use crate::error::ClientError;
use crate::suite::Rig;

/// What a record claims to hold, and what comes of the batch.
const VALUE_BYTES: (usize, usize) = (1 << 30, 128 << 20);
/// Of the zeros that are compressed at a time.
const PART_BYTES: usize = 1 << 20;
/// Between two bombs.
const PAUSE: Duration = Duration::from_millis(20);
/// Numbers of the codecs in a batch's attributes.
const GZIP: u16 = 1;
const SNAPPY: u16 = 2;
const LZ4: u16 = 3;
const ZSTD: u16 = 4;

pub(super) fn take(rig: &mut Rig) -> Result<(), ClientError> {
    let broker = broker(rig, "bombs")?;
    let bytes = rig.scale.pick(VALUE_BYTES.0, VALUE_BYTES.1);
    let bombs = bombs(bytes)?;
    for (codec, bomb) in [GZIP, SNAPPY, LZ4, ZSTD].iter().zip(&bombs) {
        rig.report.note(&format!("codec {codec}: {} bytes become {bytes}", bomb.len()));
    }
    beside(rig, broker, "decompression bombs", &|attack| throw(attack, &bombs))
}

fn throw(attack: &Attack, bombs: &[Vec<u8>]) -> Result<(), ClientError> {
    attack.begins();
    for bomb in bombs.iter().cycle() {
        let mut peer = Peer::open(attack.address)?;
        peer.send(bomb);
        attack.note(peer.reaction());
        clock::sleep(PAUSE);
        if !attack.goes_on() {
            break;
        }
    }
    Ok(())
}

/// One for each codec that gets below the size of a batch; snappy's best is a twentieth.
fn bombs(bytes: usize) -> Result<Vec<Vec<u8>>, ClientError> {
    let failed = ClientError::io("compressing zeros");
    let zeros = vec![0; PART_BYTES];
    let mut record = Vec::new();
    // A record of one value: attributes, deltas of time and offset, no key.
    let value = u64::try_from(bytes).unwrap_or(u64::MAX);
    let mut behind = vec![0, 0, 0, 1];
    put_u64(&mut behind, value * 2);
    put_u64(&mut record, (value + behind.len() as u64 + 1) * 2);
    record.extend(behind);
    let parts = bytes / PART_BYTES;
    let fill = |out: &mut dyn Write, parts: usize| -> std::io::Result<()> {
        out.write_all(&record)?;
        (0..parts).try_for_each(|_| out.write_all(&zeros))?;
        out.write_all(&[0])
    };
    let pack = || -> std::io::Result<[(u16, Vec<u8>); 4]> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        fill(&mut gzip, parts)?;
        let mut snappy = Vec::new();
        fill(&mut snappy, SNAPPY_PARTS)?;
        let snappy = snap::raw::Encoder::new().compress_vec(&snappy).map_err(std::io::Error::other)?;
        let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
        fill(&mut lz4, LZ4_PARTS)?;
        let lz4 = lz4.finish().map_err(std::io::Error::other)?;
        let mut zstd = zstd::stream::write::Encoder::new(Vec::new(), 3)?;
        fill(&mut zstd, parts)?;
        Ok([(GZIP, gzip.finish()?), (SNAPPY, snappy), (LZ4, lz4), (ZSTD, zstd.finish()?)])
    };
    let packed = pack().map_err(failed)?;
    let frame = |(codec, body): &(u16, Vec<u8>)| {
        let batch = pack_batch(*codec, 1, body, clock::wall_ms());
        Ok(produce_frame("honest", &[(0, batch.into())])?.to_bytes())
    };
    packed.iter().map(frame).collect()
}

/// So many parts stay below the 1 MiB that a batch may have.
const SNAPPY_PARTS: usize = 16;
const LZ4_PARTS: usize = 200;
