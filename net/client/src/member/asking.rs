//! What a member asks next, and when.

use std::time::Duration;

use super::requests::Request;
use super::state::{Member, Stage};

/// Kafka's clients' own, where the session is long enough.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(3);
/// So many heartbeats of a session may be lost.
const HEARTBEATS_PER_SESSION: u32 = 3;
/// Between two commits of what was read.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);
/// Topics grow seldom, and who makes one larger does not wait for its readers.
const LOOK_INTERVAL: Duration = Duration::from_secs(30);

impl Member {
    /// The next request, if one is due.
    pub(super) fn next_request(&mut self, now: Duration) -> Option<Request> {
        if self.stage == Stage::Ended {
            return None;
        }
        if !self.has_coordinator {
            return Some(Request::FindCoordinator);
        }
        let generation = || self.generation.clone();
        match &self.stage {
            Stage::Outside => return Some(Request::Join(generation())),
            _ if now >= self.heartbeat_at => {
                let request = Request::Heartbeat(generation());
                self.heartbeat_at = now + self.heartbeat_interval();
                return Some(request);
            }
            Stage::Leading(_) => return Some(Request::Count(self.led.clone())),
            Stage::Joined(assignments) => return Some(Request::Sync(generation(), assignments.clone())),
            Stage::Assigned(places) => return Some(Request::Committed(places.clone())),
            Stage::Reading | Stage::Releasing | Stage::Released | Stage::Ended => {}
        }
        let is_released = self.stage == Stage::Released;
        if !self.uncommitted.is_empty() && (is_released || now >= self.commit_at) {
            let request = Request::Commit(generation(), self.uncommitted.clone());
            self.commit_at = now + COMMIT_INTERVAL;
            return Some(request);
        }
        if is_released {
            return Some(Request::Leave(generation()));
        }
        let looks = self.stage == Stage::Reading && self.leads() && now >= self.look_at;
        looks.then(|| {
            self.look_at = now + LOOK_INTERVAL;
            Request::Count(self.led.clone())
        })
    }

    /// When the next request is due, as far as it is known.
    pub(super) fn due_at(&self) -> Duration {
        let idles = matches!(self.stage, Stage::Reading | Stage::Releasing);
        if !self.has_coordinator || !idles {
            return Duration::ZERO;
        }
        let commits = (!self.uncommitted.is_empty()).then_some(self.commit_at);
        let looks = (self.stage == Stage::Reading && self.leads()).then_some(self.look_at);
        commits.into_iter().chain(looks).fold(self.heartbeat_at, Duration::min)
    }

    /// Timers of a member that begins to read.
    pub(super) fn begin_timers(&mut self, now: Duration) {
        self.commit_at = now + COMMIT_INTERVAL;
        self.look_at = now + LOOK_INTERVAL;
    }

    pub(super) fn heartbeat_interval(&self) -> Duration {
        HEARTBEAT_INTERVAL.min(self.settings.session_timeout / HEARTBEATS_PER_SESSION)
    }

    fn leads(&self) -> bool {
        !self.led.is_empty()
    }
}
