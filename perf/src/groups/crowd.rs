//! Members of classic groups, each on a connection of its own, as clients are: a request of a member may be
//! answered only when all others have sent theirs.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use millrace_wire::ErrorCode;

use super::population::TOPIC;
use crate::client::{
    Connection, Frame, Membership, check_committed, check_synced, commit_frame, committed_frame,
    heartbeat_frame, join_frame, read_heartbeat, read_joined, sync_frame,
};
use crate::clock;
use crate::error::ClientError;

/// What a member commits is the same each time.
const OFFSET: i64 = 42;

/// All members of some groups.
pub(super) struct Crowd {
    members: Vec<Member>,
}

struct Member {
    connection: Connection,
    group: String,
    /// Empty before the broker gave one.
    id: String,
    generation: i32,
    /// Ids of all members, known to the group's leader.
    led: Vec<String>,
}

/// Members of which each waits for the answer to its request, sent at that moment.
type Asked<'a> = Vec<(&'a mut Member, Frame, Instant)>;

impl Crowd {
    /// Connects members that have not joined yet, `each` of them for every group.
    /// Their connections have been used.
    pub(super) fn connect(address: SocketAddr, groups: &[String], each: usize) -> Result<Crowd, ClientError> {
        let member = |group: &String| {
            let connection = Connection::open(address)?;
            Ok(Member {
                connection,
                group: group.clone(),
                id: String::new(),
                generation: -1,
                led: Vec::new(),
            })
        };
        let members = groups.iter().flat_map(|group| (0..each).map(move |_| member(group)));
        let mut crowd = Crowd { members: members.collect::<Result<_, ClientError>>()? };
        // Nobody's offsets: the answer of a coordinator that knows no such group.
        ask(crowd.members.iter_mut(), |member| committed_frame(&member.group), |_, _, _| Ok(()))?;
        Ok(crowd)
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// All of them get their ids and join, as clients do.
    pub(super) fn join(&mut self) -> Result<(), ClientError> {
        ask(self.members.iter_mut(), Member::join_frame, |member, frame, answer| {
            let joined = read_joined(frame, answer)?;
            if joined.code != ErrorCode::MemberIdRequired.code() {
                ClientError::check("JoinGroup without an id", joined.code)?;
            }
            member.id = joined.member;
            Ok(())
        })?;
        ask(self.members.iter_mut(), Member::join_frame, Member::take_joined).map(drop)
    }

    /// The leaders share out the work: everybody gets a part.
    pub(super) fn sync(&mut self) -> Result<(), ClientError> {
        let frame = |member: &Member| sync_frame(&member.membership(), &member.led);
        ask(self.members.iter_mut(), frame, |_, frame, answer| check_synced(frame, answer)).map(drop)
    }

    /// The leaders ask for a new generation, the others hear of it by their heartbeats and come back.
    pub(super) fn join_again(&mut self) -> Result<(), ClientError> {
        let is_leader = |member: &&mut Member| !member.led.is_empty();
        let (leaders, mut others): (Vec<_>, Vec<_>) = self.members.iter_mut().partition(is_leader);
        let leaders = send(leaders.into_iter(), Member::join_frame)?;
        let mut unaware: Vec<&mut Member> = others.iter_mut().map(|member| &mut **member).collect();
        while !unaware.is_empty() {
            let mut told = Vec::new();
            ask(
                unaware.iter_mut().map(|member| &mut **member),
                Member::heartbeat_frame,
                |_, frame, answer| {
                    told.push(hears_of_rebalance(frame, answer)?);
                    Ok(())
                },
            )?;
            let mut told = told.into_iter();
            unaware.retain(|_| told.next() == Some(false));
        }
        ask(others.into_iter(), Member::join_frame, Member::take_joined)?;
        receive(leaders, Member::take_joined).map(drop)
    }

    /// All members say that they live: how long each waited for its answer.
    pub(super) fn beat(&mut self) -> Result<Vec<Duration>, ClientError> {
        ask(self.members.iter_mut(), Member::heartbeat_frame, |_, frame, answer| {
            ClientError::check("Heartbeat", read_heartbeat(frame, answer)?)
        })
    }

    /// All members commit: how long each waited for its answer.
    pub(super) fn commit(&mut self) -> Result<Vec<Duration>, ClientError> {
        let frame = |member: &Member| commit_frame(&member.membership(), TOPIC, &[(0, OFFSET)]);
        ask(self.members.iter_mut(), frame, |_, frame, answer| check_committed(frame, answer))
    }
}

impl Member {
    fn membership(&self) -> Membership<'_> {
        Membership { group: &self.group, generation: self.generation, member: &self.id }
    }

    fn join_frame(&self) -> Result<Frame, ClientError> {
        join_frame(&self.membership())
    }

    fn heartbeat_frame(&self) -> Result<Frame, ClientError> {
        heartbeat_frame(&self.membership())
    }

    fn take_joined(&mut self, frame: &Frame, answer: &Bytes) -> Result<(), ClientError> {
        let joined = read_joined(frame, answer)?;
        ClientError::check("JoinGroup", joined.code)?;
        self.generation = joined.generation;
        self.led = joined.members;
        Ok(())
    }
}

/// Whether a member hears that its group is on its way to a new generation; `false` while it is not.
fn hears_of_rebalance(frame: &Frame, answer: &Bytes) -> Result<bool, ClientError> {
    let code = read_heartbeat(frame, answer)?;
    if code == ErrorCode::RebalanceInProgress.code() {
        return Ok(true);
    }
    ClientError::check("Heartbeat", code).map(|()| false)
}

/// All requests are on their way before the first answer is waited for.
fn ask<'a>(
    members: impl Iterator<Item = &'a mut Member>,
    frame: impl Fn(&Member) -> Result<Frame, ClientError>,
    take: impl FnMut(&mut Member, &Frame, &Bytes) -> Result<(), ClientError>,
) -> Result<Vec<Duration>, ClientError> {
    receive(send(members, frame)?, take)
}

fn send<'a>(
    members: impl Iterator<Item = &'a mut Member>,
    frame: impl Fn(&Member) -> Result<Frame, ClientError>,
) -> Result<Asked<'a>, ClientError> {
    let one = |member: &'a mut Member| {
        let frame = frame(member)?;
        let sent = clock::now();
        member.connection.send(&frame)?;
        Ok((member, frame, sent))
    };
    members.map(one).collect()
}

/// Waits for the answers in the order of the requests;
/// one that was there before its turn counts as later than it came.
fn receive(
    asked: Asked<'_>,
    mut take: impl FnMut(&mut Member, &Frame, &Bytes) -> Result<(), ClientError>,
) -> Result<Vec<Duration>, ClientError> {
    let mut taken = Vec::with_capacity(asked.len());
    for (member, frame, sent) in asked {
        let answer = member.connection.receive()?;
        taken.push(clock::now() - sent);
        take(member, &frame, &answer)?;
        member.connection.recycle(answer);
    }
    Ok(taken)
}
