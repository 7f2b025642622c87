//! Many groups without members: what they are called, and what they commit and find again.

use std::net::SocketAddr;

use bytes::Bytes;

use crate::broker::{Millrace, MillraceSettings};
use crate::client::{
    Connection, Frame, Membership, NewTopic, await_coordinators, check_committed, commit_frame,
    committed_frame, create_topics, partition_of_group, read_committed,
};
use crate::error::ClientError;

/// The topic that the groups of all figures read.
pub(super) const TOPIC: &str = "read";
/// The default of `offsets.topic.num.partitions`.
pub(super) const OFFSETS_PARTITIONS: i32 = 50;
/// Among so many groups every partition of the offsets topic has one.
const MANY: usize = 1000;
/// Commits wait for the disk and go to it together: so many connections make one write of many.
const CONNECTIONS: usize = 50;
/// Requests in flight on each; the broker serves them one after another.
const DEPTH: usize = 8;

/// A broker with that topic, whose coordinators serve.
pub(super) fn start(settings: &MillraceSettings, partitions: i32) -> Result<Millrace, ClientError> {
    let broker = Millrace::start(settings)?;
    let mut connection = Connection::open(broker.address)?;
    create_topics(&mut connection, &[NewTopic::new(TOPIC, partitions)])?;
    await_coordinators(&mut connection, &one_in_each(&named("first", MANY)))?;
    Ok(broker)
}

/// Names of groups; those of one prefix are spread over the partitions of the offsets topic.
pub(super) fn named(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}-{number}")).collect()
}

/// Of many groups one for each partition of the offsets topic.
pub(super) fn one_in_each(groups: &[String]) -> Vec<String> {
    let first = |partition: i32| {
        groups.iter().find(|group| partition_of_group(group, OFFSETS_PARTITIONS) == partition)
    };
    (0..OFFSETS_PARTITIONS).filter_map(first).cloned().collect()
}

/// Connections over which a population commits and asks.
pub(super) struct Desk {
    connections: Vec<Connection>,
}

impl Desk {
    pub(super) fn open(address: SocketAddr) -> Result<Desk, ClientError> {
        let connections = (0..CONNECTIONS).map(|_| Connection::open(address));
        Ok(Desk { connections: connections.collect::<Result<_, _>>()? })
    }

    /// Commits for each group one offset in each of the topic's first partitions.
    pub(super) fn commit(&mut self, groups: &[String], partitions: i32) -> Result<(), ClientError> {
        let frame = |(number, group): (usize, &String)| {
            let offsets: Vec<(i32, i64)> = offsets_of(number, partitions).collect();
            commit_frame(&Membership::nobody(group), TOPIC, &offsets)
        };
        let frames = groups.iter().enumerate().map(frame).collect::<Result<Vec<_>, _>>()?;
        self.ask(&frames, |_, frame, answer| check_committed(frame, answer))
    }

    /// How many of these offsets the broker knows as they were committed.
    pub(super) fn count(&mut self, groups: &[String], partitions: i32) -> Result<usize, ClientError> {
        let frames = groups.iter().map(|group| committed_frame(group)).collect::<Result<Vec<_>, _>>()?;
        let mut right = 0;
        self.ask(&frames, |number, frame, answer| {
            let committed = read_committed(frame, answer)?.unwrap_or_default();
            right += offsets_of(number, partitions).filter(|offset| committed.contains(offset)).count();
            Ok(())
        })?;
        Ok(right)
    }

    /// Sends the requests over all connections in turn,
    /// and hands out each answer with the number of its request.
    fn ask(
        &mut self,
        frames: &[Frame],
        mut take: impl FnMut(usize, &Frame, &Bytes) -> Result<(), ClientError>,
    ) -> Result<(), ClientError> {
        let wave = self.connections.len() * DEPTH;
        for (first, frames) in (0..).step_by(wave).zip(frames.chunks(wave)) {
            let connections = self.connections.len();
            for (place, frame) in frames.iter().enumerate() {
                self.connections[place % connections].send(frame)?;
            }
            for (place, frame) in frames.iter().enumerate() {
                let connection = &mut self.connections[place % connections];
                let answer = connection.receive()?;
                take(first + place, frame, &answer)?;
                connection.recycle(answer);
            }
        }
        Ok(())
    }
}

/// What group `number` commits: no two offsets of a population are alike.
fn offsets_of(number: usize, partitions: i32) -> impl Iterator<Item = (i32, i64)> {
    let first = number as i64 * i64::from(partitions);
    (0..partitions).map(move |partition| (partition, first + i64::from(partition)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn among_many_groups_every_partition_has_one() {
        let chosen = one_in_each(&named("first", MANY));
        let partitions: Vec<i32> =
            chosen.iter().map(|group| partition_of_group(group, OFFSETS_PARTITIONS)).collect();
        assert_eq!(partitions, (0..OFFSETS_PARTITIONS).collect::<Vec<_>>());
        assert!(one_in_each(&named("first", 10)).len() <= 10);
    }

    #[test]
    fn no_two_offsets_are_alike() {
        assert_eq!(offsets_of(0, 2).collect::<Vec<_>>(), [(0, 0), (1, 1)]);
        assert_eq!(offsets_of(7, 3).collect::<Vec<_>>(), [(0, 21), (1, 22), (2, 23)]);
    }
}
