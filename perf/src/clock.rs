//! Time as the tool measures it: the monotonic clock, the wall clock, and sleeps that end on time.
#![expect(
    clippy::disallowed_methods,
    reason = "the load generator measures real time; it is no part of what a seed replays"
)]

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The kernel may end a sleep this much later to save power; its default is 50 us,
/// the size of what is measured.
const TIMER_SLACK_NS: u64 = 1_000;

pub(crate) fn now() -> Instant {
    Instant::now()
}

pub(crate) fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

pub(crate) fn sleep(duration: Duration) {
    thread::sleep(duration);
}

/// Returns at once if the moment has passed.
pub(crate) fn sleep_until(moment: Instant) {
    thread::sleep(moment.saturating_duration_since(now()));
}

/// Makes sleeps of this thread, and of threads it starts, end on time. Without it figures are only coarser.
pub(crate) fn sharpen_sleeps() {
    let _coarser_if_refused = nix::sys::prctl::set_timerslack(TIMER_SLACK_NS);
}
