//! One TCP connection to the broker under test.
#![expect(
    clippy::disallowed_types,
    reason = "a black-box client speaks to any broker, through ordinary sockets"
)]
#![expect(clippy::disallowed_methods, reason = "its waits are bounded by the machine's own clock")]

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Longest answer that is read: Kafka's own bound on a request.
const FRAME_BYTES_MAX: usize = 100 << 20;
/// Bound on one blocked send: a broker that stops reading has closed as far as a case is concerned.
const SEND_WAIT: Duration = Duration::from_secs(5);

pub(super) enum Arrived {
    Frame(Vec<u8>),
    Closed,
    Nothing,
}

/// An answer that is due, and how to read it.
pub(super) struct Due {
    /// API and version; nothing after raw bytes.
    pub(super) api: Option<(String, i16)>,
    pub(super) correlation_id: i32,
    pub(super) label: String,
    pub(super) sent: Instant,
}

pub(super) struct Connection {
    stream: TcpStream,
    last_correlation_id: i32,
    due: VecDeque<Due>,
}

impl Connection {
    pub(super) fn open(bootstrap: &str) -> Result<Connection, String> {
        let stream = TcpStream::connect(bootstrap).map_err(|e| format!("{bootstrap}: {e}"))?;
        stream
            .set_nodelay(true)
            .and_then(|()| stream.set_write_timeout(Some(SEND_WAIT)))
            .map_err(|e| e.to_string())?;
        Ok(Connection { stream, last_correlation_id: 0, due: VecDeque::new() })
    }

    pub(super) fn next_correlation_id(&mut self) -> i32 {
        self.last_correlation_id += 1;
        self.last_correlation_id
    }

    /// Failures show when the answer is awaited: the broker may close while bytes are still on their way.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        _ = self.stream.write_all(bytes);
    }

    pub(super) fn send_frame(&mut self, body: &[u8]) {
        let mut frame = (body.len() as u32).to_be_bytes().to_vec();
        frame.extend_from_slice(body);
        self.send(&frame);
    }

    pub(super) fn expect_answer(&mut self, api: Option<(String, i16)>, correlation_id: i32, label: String) {
        self.due.push_back(Due { api, correlation_id, label, sent: Instant::now() });
    }

    pub(super) fn next_due(&mut self) -> Option<Due> {
        self.due.pop_front()
    }

    pub(super) fn receive(&mut self, wait: Duration) -> Arrived {
        let deadline = Instant::now() + wait;
        let mut length = [0; 4];
        match self.fill(&mut length, deadline) {
            Arrived::Frame(_) => {}
            other => return other,
        }
        let length = u32::from_be_bytes(length) as usize;
        if length > FRAME_BYTES_MAX {
            return Arrived::Closed;
        }
        let mut frame = vec![0; length];
        match self.fill(&mut frame, deadline) {
            Arrived::Frame(_) => Arrived::Frame(frame),
            other => other,
        }
    }

    /// An empty frame when `bytes` is full.
    fn fill(&mut self, bytes: &mut [u8], deadline: Instant) -> Arrived {
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.stream.set_read_timeout(Some(left)).is_err() {
                return Arrived::Nothing;
            }
            match self.stream.read(rest) {
                Ok(0) => return Arrived::Closed,
                Ok(count) => filled += count,
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Arrived::Nothing;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Arrived::Closed,
            }
        }
        Arrived::Frame(Vec::new())
    }
}

/// Milliseconds since the request left.
pub(super) fn elapsed_ms(due: &Due) -> u64 {
    due.sent.elapsed().as_millis() as u64
}

pub(super) fn wall_now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64)
}

pub(super) fn pause(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}
