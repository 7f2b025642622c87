//! Bytes that are no requests, or nearly: the same seed sends the same.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use crate::client::Connection;
use crate::error::ClientError;
use crate::suite::{VALUE_BYTES, one_record_each};

const SENDERS: usize = 4;
/// A peer that has sent all it will must be done with by then.
const PATIENCE: Duration = Duration::from_secs(10);
const NOISE_BYTES_MAX: u64 = 4096;
const API_KEYS: u64 = 80;
const VERSIONS: u64 = 20;
/// Of one example in the report.
const EXAMPLE_BYTES: usize = 64;

/// How the connections ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Endings {
    /// The broker said something.
    pub(super) answered: usize,
    /// It closed without a word.
    pub(super) closed: usize,
    /// It did neither.
    pub(super) silent: usize,
    /// What one of the silent ones was sent.
    pub(super) example: Option<String>,
}

/// Opens the connections one after another from a few threads.
pub(super) fn send(address: SocketAddr, connections: usize, seed: u64) -> Result<Endings, ClientError> {
    let parts = thread::scope(|scope| {
        let part = |sender: usize| {
            scope.spawn(move || send_part(address, connections / SENDERS, seed + sender as u64))
        };
        let senders: Vec<_> = (0..SENDERS).map(part).collect();
        senders.into_iter().map(thread::ScopedJoinHandle::join).collect::<Vec<_>>()
    });
    let mut all = Endings::default();
    for part in parts {
        let part = part.map_err(|_| ClientError::Usage("a sending thread panicked".to_owned()))??;
        all.answered += part.answered;
        all.closed += part.closed;
        all.silent += part.silent;
        all.example = all.example.or(part.example);
    }
    Ok(all)
}

fn send_part(address: SocketAddr, connections: usize, seed: u64) -> Result<Endings, ClientError> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let request = one_record_each("honest", 1, VALUE_BYTES)?.to_bytes();
    let mut outcome = Endings::default();
    for _ in 0..connections {
        let bytes = any_bytes(&mut random, &request);
        let mut connection = Connection::open(address)?;
        connection.set_answer_timeout(PATIENCE)?;
        // A broker may close before it has read all.
        let sent = connection.send_bytes(&bytes);
        match connection.drain() {
            Ok(0) => outcome.closed += 1,
            Ok(_) => outcome.answered += 1,
            Err(error)
                if sent.is_ok() && matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
            {
                outcome.silent += 1;
                outcome.example = Some(show(&bytes));
            }
            Err(_) => outcome.closed += 1,
        }
    }
    Ok(outcome)
}

/// One of the ways in which bytes can be wrong.
fn any_bytes(random: &mut Xoshiro256PlusPlus, request: &[u8]) -> Vec<u8> {
    match random.next_u64() % 7 {
        0 => noise(random),
        1 => framed(&noise(random)),
        2 => {
            let mut header = headed(random);
            header.extend_from_slice(&noise(random));
            framed(&header)
        }
        3 => {
            // A header, and a count that promises more than any frame holds.
            let mut header = headed(random);
            header.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0x0f]);
            framed(&header)
        }
        4 => request[..below(random, request.len() as u64)].to_vec(),
        5 => {
            let mut flipped = request.to_vec();
            for _ in 0..=below(random, 8) {
                let at = 4 + below(random, flipped.len() as u64 - 4);
                flipped[at] ^= 1 << below(random, 8);
            }
            flipped
        }
        _ => {
            let lengths = [-1, 0, 1, 7, i32::MIN, i32::MAX, 104_857_601];
            let mut bytes = lengths[below(random, lengths.len() as u64)].to_be_bytes().to_vec();
            bytes.extend_from_slice(&noise(random));
            bytes
        }
    }
}

fn noise(random: &mut Xoshiro256PlusPlus) -> Vec<u8> {
    let mut bytes = vec![0; below(random, NOISE_BYTES_MAX)];
    random.fill_bytes(&mut bytes);
    bytes
}

/// A request header in its plain form, of an API and version that may exist.
fn headed(random: &mut Xoshiro256PlusPlus) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&(below(random, API_KEYS) as i16).to_be_bytes());
    bytes.extend_from_slice(&(below(random, VERSIONS) as i16 - 1).to_be_bytes());
    bytes.extend_from_slice(&7_i32.to_be_bytes());
    bytes.extend_from_slice(&(-1_i16).to_be_bytes());
    bytes
}

fn framed(body: &[u8]) -> Vec<u8> {
    let length = i32::try_from(body.len()).unwrap_or(i32::MAX);
    [&length.to_be_bytes(), body].concat()
}

fn below(random: &mut Xoshiro256PlusPlus, limit: u64) -> usize {
    usize::try_from(random.next_u64() % limit.max(1)).unwrap_or_default()
}

fn show(bytes: &[u8]) -> String {
    let head: String = bytes.iter().take(EXAMPLE_BYTES).map(|byte| format!("{byte:02x}")).collect();
    format!("{} bytes that begin with {head}", bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_sends_the_same_bytes() {
        let request: Vec<u8> = (0..200).collect();
        let sequence = |seed| {
            let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
            (0..100).map(|_| any_bytes(&mut random, &request)).collect::<Vec<_>>()
        };
        assert_eq!(sequence(1), sequence(1));
        assert_ne!(sequence(1), sequence(2));
    }
}
