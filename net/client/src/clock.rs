//! Waiting: before a question is asked again, and for what takes a broker time.
#![expect(
    clippy::disallowed_methods,
    reason = "a tool waits in real time; it is no part of what a seed replays"
)]

use std::time::{Duration, Instant};

use crate::error::ClientError;

/// A broker answers a request that takes time within it, whether it is done or not.
pub(crate) const TIMEOUT_MS: i32 = 60_000;
/// Between two questions whose answer was `not yet`.
const PAUSE: Duration = Duration::from_millis(50);
/// A coordinator that is loading, or a topic just made, is there long before.
const PATIENCE: Duration = Duration::from_secs(20);
/// Within it Kafka's controller has made another replica the leader, and the brokers know.
const ELECTION: Duration = Duration::from_millis(500);

/// Asks until there is an answer; `None` is `not yet`. Nothing if there is none in time.
pub(crate) fn insist<T>(
    mut ask: impl FnMut() -> Result<Option<T>, ClientError>,
) -> Result<Option<T>, ClientError> {
    let begun = Instant::now();
    loop {
        let answer = ask()?;
        if answer.is_some() || begun.elapsed() > PATIENCE {
            return Ok(answer);
        }
        std::thread::sleep(PAUSE);
    }
}

/// Time since something began.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Stopwatch {
        Stopwatch(Instant::now())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

pub(crate) fn await_election() {
    std::thread::sleep(ELECTION);
}
