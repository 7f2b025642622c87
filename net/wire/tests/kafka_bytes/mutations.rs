//! Damaged golden bytes never panic and never take memory out of proportion to their frame.

use crate::support;
use bytes::Bytes;
use millrace_wire::{MEMORY_BYTES_MIN, MEMORY_PER_FRAME_BYTE};

/// Damaged copies of each golden line.
const COPIES: u64 = 200;

/// A counter made random (splitmix64): one number names one damaged frame.
fn random(seed: u64) -> u64 {
    let mut value = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

fn damage(frame: &[u8], seed: u64) -> Vec<u8> {
    /// Bytes that are most often the edge of a length or a count.
    const EDGES: [u8; 8] = [0x00, 0x01, 0x7f, 0x80, 0x81, 0xfe, 0xff, 0x0f];
    let mut bytes = frame.to_vec();
    for change in 0..1 + seed % 4 {
        let dice = random(seed.wrapping_mul(31).wrapping_add(change));
        let at = (dice >> 8) as usize % bytes.len().max(1);
        let edge = EDGES[(dice >> 40) as usize % EDGES.len()];
        let until = (at + 4).min(bytes.len());
        match dice % 6 {
            _ if bytes.is_empty() => bytes.push(edge),
            0 => bytes[at] ^= 1 << (dice >> 50 & 7),
            1 => bytes[at] = edge,
            2 => bytes.truncate(at),
            3 => bytes[at..until].fill(edge),
            4 => bytes.insert(at, edge),
            _ => {
                bytes.drain(at..until);
            }
        }
    }
    bytes
}

#[test]
fn damaged_frames_are_refused_or_read() {
    let (mut read, mut refused) = (0u32, 0u32);
    for (number, case) in support::golden().iter().enumerate() {
        for copy in 0..COPIES {
            let frame = Bytes::from(damage(&case.frame, number as u64 * COPIES + copy));
            match support::round_trip(&case.message, &frame, case.version) {
                Ok(trip) => {
                    read += 1;
                    assert!(
                        trip.memory <= frame.len() * MEMORY_PER_FRAME_BYTE + MEMORY_BYTES_MIN,
                        "{frame:x?}"
                    );
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(read > 1000 && refused > 1000, "{read} read, {refused} refused");
}

#[test]
fn a_few_bytes_claim_nothing() {
    for case in support::golden() {
        for length in 0..=case.frame.len().min(14) {
            let mut bytes = case.frame[..length].to_vec();
            bytes.extend([0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);
            let frame = Bytes::from(bytes);
            if let Ok(trip) = support::round_trip(&case.message, &frame, case.version) {
                assert!(trip.memory <= frame.len() * MEMORY_PER_FRAME_BYTE + MEMORY_BYTES_MIN);
            }
        }
    }
}
