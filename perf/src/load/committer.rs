//! Those who commit for groups: connections that send at intended moments, as producers do.

use std::net::SocketAddr;
use std::sync::Arc;

use super::payload::BatchShape;
use super::producer::{ProducerLane, Requests};
use super::schedule::Rate;
use crate::client::{Membership, check_committed, commit_frame};
use crate::error::ClientError;

/// What each group commits, again and again.
const OFFSET: (i32, i64) = (0, 42);

/// A load of commits, each of one offset in the topic's first partition, by nobody of groups without members.
#[derive(Debug, Clone)]
pub(crate) struct CommitLoad<'a> {
    pub(crate) topic: &'a str,
    pub(crate) groups: &'a [String],
    /// On each connection; a broker serves them one after another.
    pub(crate) in_flight: usize,
    /// Of all connections together; latencies begin at the intended moment.
    pub(crate) commits_per_second: f64,
}

impl CommitLoad<'_> {
    /// Connection number `place` of `places`, for each group that falls to it.
    pub(super) fn lane(
        &self,
        address: SocketAddr,
        place: (usize, usize),
    ) -> Result<ProducerLane, ClientError> {
        let frame =
            |group: &String| commit_frame(&Membership::nobody(group), self.topic, &[OFFSET]).map(Arc::new);
        let groups = self.groups.iter().skip(place.0).step_by(place.1);
        let frames = groups.map(frame).collect::<Result<Vec<_>, _>>()?;
        let requests = Requests {
            batches_each: vec![1; frames.len()],
            frames,
            // A commit counts as a record without bytes.
            shape: BatchShape { value_bytes: 0, records: 1 },
            check: check_committed,
        };
        let rate = Rate::RecordsPerSecond(self.commits_per_second);
        ProducerLane::answered(address, requests, self.in_flight, rate, place)
    }
}
