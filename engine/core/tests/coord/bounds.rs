//! Groups have a bound: past it what would add to them is refused, and what goes makes room again.

use std::sync::Arc;

use bytes::Bytes;
use millrace_core::base::{LeaderEpoch, Offset, PartitionIndex, TopicId};
use millrace_core::coord::*;

use crate::stage::Stage;

const MIB: usize = 1 << 20;
const BOUND: usize = 8 * MIB;

/// A coordinator that may hold so much.
struct Bounded {
    stage: Stage,
    tokens: u64,
}

impl Bounded {
    fn new() -> Bounded {
        let mut settings = Stage::defaults();
        settings.offsets_retention_ms = 100_000;
        settings.retention_check_interval_ms = 20_000;
        let mut stage = Stage::new(settings);
        stage.coordinator.allow_bytes(BOUND);
        stage.topics.put("t", 100);
        Bounded { stage, tokens: 0 }
    }

    fn token(&mut self) -> Token {
        self.tokens += 1;
        Token(self.tokens)
    }

    /// The answer to a request, if it has one yet.
    fn answer(&mut self, token: Token) -> Option<Answer> {
        assert_eq!(self.stage.coordinator.held_bytes(), self.stage.coordinator.recounted_bytes());
        let place = self.stage.answers.iter().position(|(answered, _)| *answered == token)?;
        Some(self.stage.answers.remove(place).1)
    }

    fn held(&mut self) -> usize {
        self.stage.coordinator.held_bytes()
    }

    /// Why a join is refused; nothing where it is let in, or is given an id.
    fn join(&mut self, request: &JoinRequest) -> Option<GroupError> {
        let token = self.token();
        self.stage.join(request, token);
        match self.answer(token) {
            Some(Answer::Join(Err(JoinRefused { error: GroupError::MemberIdRequired, .. }))) => None,
            Some(Answer::Join(Err(refused))) => Some(refused.error),
            _ => None,
        }
    }

    fn commit(&mut self, request: &CommitRequest) -> Option<GroupError> {
        let token = self.token();
        self.stage.commit(request, token);
        match self.answer(token) {
            Some(Answer::Commit(Err(error))) => Some(error),
            _ => None,
        }
    }

    fn beat(&mut self, request: &ConsumerBeat) -> Result<Beat, GroupError> {
        let token = self.token();
        self.stage.beat(request, token);
        match self.answer(token) {
            Some(Answer::ConsumerHeartbeat(answer)) => answer.map_err(|refused| refused.error),
            other => panic!("{other:?}"),
        }
    }

    fn leave(&mut self, group: &str, member: &MemberId) {
        let members = vec![LeavingMember { member: member.clone(), instance: None }];
        let token = self.token();
        self.stage.leave(&LeaveRequest { group: GroupId::new(group), members }, token);
    }

    fn refusals(&mut self) -> u64 {
        self.stage.coordinator.take_tally().refusals
    }
}

fn join_of(group: &str, member: &str, metadata_bytes: usize) -> JoinRequest {
    let metadata = Bytes::from(vec![7; metadata_bytes]);
    JoinRequest {
        group: GroupId::new(group),
        member: MemberId::none(),
        new_member: MemberId::new(member),
        new_consumer: MemberId::new(member),
        instance: None,
        client_id: Arc::from("client"),
        client_host: Arc::from("/127.0.0.1"),
        session_timeout_ms: 45_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: Arc::from("other"),
        protocols: vec![Protocol { name: Arc::from("p"), metadata }],
        handshake: MemberIdHandshake::Absent,
        skip_assignment: SkipAssignment::Known,
    }
}

fn commit_of(group: &str, partitions: i32, metadata_bytes: usize) -> CommitRequest {
    let text: Arc<str> = Arc::from("x".repeat(metadata_bytes));
    let offsets = (0..partitions).map(|partition| OffsetToCommit {
        topic: TopicName::new("t"),
        topic_id: TopicId::ZERO,
        partition: PartitionIndex(partition),
        offset: Offset(7),
        leader_epoch: LeaderEpoch(1),
        metadata: Some(Arc::clone(&text)),
    });
    CommitRequest {
        group: GroupId::new(group),
        member: MemberId::none(),
        instance: None,
        generation: Generation::NONE,
        retention_ms: None,
        unknown_group: UnknownGroup::NotFound,
        offsets: offsets.collect(),
    }
}

#[test]
fn large_joins_of_new_groups_are_refused_past_the_bound_and_let_in_when_others_are_gone() {
    let mut bounded = Bounded::new();
    let mut results = Vec::new();
    for number in 0..400 {
        results.push(bounded.join(&join_of(&format!("g{number}"), "m", MIB)));
    }
    let admitted = results.iter().filter(|error| error.is_none()).count();
    assert_eq!(admitted, 7);
    assert!(results.iter().flatten().all(|error| *error == GroupError::CoordinatorLoadInProgress));
    assert!(bounded.held() <= BOUND);
    assert_eq!(bounded.refusals(), 393);
    // What is there goes on: it joins again with what it had, and small ones find room.
    bounded.stage.pass(3_000);
    let again = JoinRequest { member: MemberId::new("m"), ..join_of("g0", "n", MIB) };
    assert_eq!(bounded.join(&again), None);
    assert_eq!(bounded.join(&join_of("small", "m", 100)), None);
    bounded.leave("g1", &MemberId::new("m"));
    assert_eq!(bounded.join(&join_of("g9", "m", MIB)), None);
    // Silent members go, and all of it with them.
    bounded.stage.pass(1_000_000);
    assert!(bounded.held() < 20_000, "{} bytes are held by nobody", bounded.held());
}

#[test]
fn ids_that_are_given_away_and_groups_of_them_are_bounded() {
    let mut bounded = Bounded::new();
    let long = "c".repeat(30_000);
    let refused = (0..1_000).filter(|number| {
        let request = join_of(&format!("g{number}"), &format!("{long}{number}"), 100);
        let request = JoinRequest { handshake: MemberIdHandshake::Required, ..request };
        bounded.join(&request).is_some()
    });
    assert!((700..1_000).contains(&refused.count()));
    assert!(bounded.held() <= BOUND);
    bounded.stage.pass(100_000);
    assert_eq!(bounded.join(&join_of("g", "m", MIB)), None);
}

#[test]
fn offsets_are_refused_past_the_bound_but_those_that_add_nothing() {
    let mut bounded = Bounded::new();
    let refused = (0..1_000).filter(|number| {
        let error = bounded.commit(&commit_of(&format!("g{number}"), 100, 1_000));
        assert!(error.is_none_or(|error| error == GroupError::CoordinatorLoadInProgress));
        error.is_some()
    });
    assert!((900..950).contains(&refused.count()));
    assert!(bounded.held() <= BOUND);
    assert_eq!(bounded.commit(&commit_of("g0", 100, 1_000)), None);
    assert_eq!(bounded.commit(&commit_of("g0", 100, 2_000)), Some(GroupError::CoordinatorLoadInProgress));
    let token = bounded.token();
    bounded.stage.turn(|coordinator, now, actions| {
        coordinator.delete_groups(now, &[GroupId::new("g1")], token, actions);
    });
    assert_eq!(bounded.commit(&commit_of("new", 100, 900)), None);
    // Offsets expire.
    bounded.stage.pass(200_000);
    assert!(bounded.held() < 1_000, "{} bytes are held by nobody", bounded.held());
    assert_eq!(bounded.commit(&commit_of("new", 100, 1_000)), None);
}

#[test]
fn commits_on_their_way_to_the_log_count() {
    let mut bounded = Bounded::new();
    bounded.stage.disk = crate::stage::Disk::Held;
    let request = commit_of("g", 100, 1_000);
    let refused = (0..200).filter(|_| bounded.commit(&request).is_some()).count();
    assert!((100..150).contains(&refused), "{refused}");
    while !bounded.stage.held.is_empty() {
        bounded.stage.complete(Err(WriteFault::Unavailable));
    }
    assert_eq!(bounded.held(), 0);
    assert_eq!(bounded.commit(&request), None);
}

#[test]
fn an_assignment_past_the_bound_is_like_one_that_cannot_be_written() {
    let mut bounded = Bounded::new();
    let mut answers = Vec::new();
    for number in 0..10 {
        let group = format!("g{number}");
        assert_eq!(bounded.join(&join_of(&group, "m", 10)), None);
        bounded.stage.pass(3_000);
        let token = bounded.token();
        let request = SyncRequest {
            group: GroupId::new(&group),
            generation: Generation(1),
            member: MemberId::new("m"),
            instance: None,
            protocol_type: None,
            protocol: None,
            assignments: vec![(MemberId::new("m"), Bytes::from(vec![1; MIB]))],
        };
        bounded.stage.sync(&request, token);
        answers.push(match bounded.answer(token) {
            Some(Answer::Sync(answer)) => answer.err(),
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(answers[..7], [None; 7]);
    assert_eq!(answers[7..], [Some(GroupError::CoordinatorNotAvailable); 3]);
    assert!(bounded.held() <= BOUND);
}

#[test]
fn members_of_the_consumer_protocol_are_bounded() {
    let mut bounded = Bounded::new();
    let topics: Vec<Arc<str>> = (0..1_000).map(|it| Arc::from(format!("topic-of-{it}"))).collect();
    let beat = |number: usize, epoch: Epoch| ConsumerBeat {
        group: GroupId::new(&format!("g{number}")),
        member: MemberId::new("m"),
        new_member: MemberId::none(),
        id_origin: MemberIdOrigin::Member,
        epoch,
        instance: None,
        rack: None,
        client_id: Arc::from("client"),
        client_host: Arc::from("/127.0.0.1"),
        rebalance_timeout_ms: Some(300_000),
        topics: Some(topics.clone()),
        pattern: None,
        assignor: None,
        owned: Some(Partitions::default()),
    };
    let answers: Vec<_> = (0..1_000).map(|number| bounded.beat(&beat(number, Epoch::JOINING))).collect();
    let refused: Vec<GroupError> =
        answers.iter().filter_map(|answer| answer.as_ref().err().copied()).collect();
    assert!((700..900).contains(&refused.len()), "{}", refused.len());
    assert!(refused.iter().all(|error| *error == GroupError::CoordinatorLoadInProgress));
    assert!(bounded.held() <= BOUND);
    let epoch = answers[0].as_ref().unwrap().epoch;
    assert!(bounded.beat(&beat(0, epoch)).is_ok());
    assert!(bounded.beat(&beat(1, Epoch::LEAVING)).is_ok());
    assert!(bounded.beat(&beat(999, Epoch::JOINING)).is_ok());
}
