//! Steps at a fixed rhythm, so that a probe finds device and processors as idle as the broker did.

use std::time::Duration;

use crate::clock;
use crate::error::ClientError;

/// When each step begins.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// As soon as the step before has ended.
    BackToBack,
    /// A period after the step before began, or when that ended if that is later.
    Every(Duration),
}

impl Pace {
    /// Steps for that long; what each step says it took.
    pub(crate) fn run(
        self,
        length: Duration,
        mut step: impl FnMut() -> Result<Duration, ClientError>,
    ) -> Result<Vec<Duration>, ClientError> {
        let end = clock::now() + length;
        let mut taken = Vec::new();
        loop {
            let begun = clock::now();
            if begun >= end {
                return Ok(taken);
            }
            taken.push(step()?);
            if let Pace::Every(period) = self {
                clock::sleep_until(begun + period);
            }
        }
    }
}
