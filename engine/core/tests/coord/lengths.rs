//! What a request can make long costs the coordinator no more than its length: four times as much takes less
//! than eight times the processor's time, where anything quadratic takes sixteen.

use std::sync::Arc;

use bytes::Bytes;
use millrace_core::base::{LeaderEpoch, Offset, PartitionIndex, PartitionKey, TopicId};
use millrace_core::coord::*;

use crate::stage::Stage;

/// What a run of four times the size may take of the smaller one's time.
const RATIO_MAX: u64 = 8;
/// A short run is lost in what the processor does beside; it is repeated until it takes so long.
const NANOS_MIN: u64 = 2_000_000;
/// Who takes no more for each element does nothing for it but look at it: what is left are caches, and pages
/// that are touched for the first time.
const NANOS_AN_ELEMENT: u64 = 100;
/// A ratio that is too high is looked at again: neighbours on the same core spoil caches.
const TRIES: usize = 3;

/// Nanoseconds that this thread has had of a processor.
#[expect(clippy::disallowed_methods, reason = "the time of a thread is in no clock that the runtime has")]
fn thread_nanos() -> u64 {
    // What the kernel has counted so far is brought up to date when a thread gives way.
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split_whitespace().next().unwrap().parse().unwrap()
}

/// The least of three runs, each as often as it takes to be measured; `prepare` is not counted.
fn nanos<S>(size: usize, prepare: &impl Fn(usize) -> S, act: &impl Fn(&mut S)) -> u64 {
    let run = |_| {
        let (mut spent, mut runs) = (0, 0);
        while spent < NANOS_MIN {
            let mut state = prepare(size);
            let before = thread_nanos();
            act(&mut state);
            spent += thread_nanos() - before;
            runs += 1;
        }
        spent / runs
    };
    (0..3).map(run).min().unwrap()
}

/// Holds `act` to its length, at `size` and four times that.
pub(crate) fn check<S>(what: &str, size: usize, prepare: impl Fn(usize) -> S, act: impl Fn(&mut S)) {
    let mut seen = Vec::new();
    for _ in 0..TRIES {
        let (small, large) = (nanos(size, &prepare, &act), nanos(4 * size, &prepare, &act));
        if large < RATIO_MAX * small || large < 4 * size as u64 * NANOS_AN_ELEMENT {
            return;
        }
        seen.push((small, large));
    }
    panic!("{what}: nanoseconds for {size} and four times that: {seen:?}");
}

fn names(count: usize) -> Vec<Arc<str>> {
    (0..count).map(|number| Arc::from(format!("p{number:07}"))).collect()
}

fn offered(names: &[Arc<str>]) -> Vec<Protocol> {
    names.iter().map(|name| Protocol { name: Arc::clone(name), metadata: Bytes::from_static(b"m") }).collect()
}

fn join_of(member: &str, protocols: Vec<Protocol>) -> JoinRequest {
    JoinRequest {
        group: GroupId::new("g"),
        member: MemberId::none(),
        new_member: MemberId::new(member),
        new_consumer: MemberId::new(member),
        instance: None,
        client_id: Arc::from("client"),
        client_host: Arc::from("/127.0.0.1"),
        session_timeout_ms: 45_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: Arc::from("consumer"),
        protocols,
        handshake: MemberIdHandshake::Absent,
        skip_assignment: SkipAssignment::Known,
    }
}

/// A member that offers so many protocols, about to join.
fn joining(count: usize) -> (Stage, JoinRequest) {
    (Stage::new(Stage::defaults()), join_of("a", offered(&names(count))))
}

#[test]
fn a_member_may_offer_any_number_of_protocols() {
    check("a join", 2_500, joining, |(stage, request)| stage.join(request, Token(1)));
    // The same name again and again is offered once.
    let same = |count| (Stage::new(Stage::defaults()), join_of("a", offered(&vec![Arc::from("p"); count])));
    check("a join of one name", 2_500, same, |(stage, request)| stage.join(request, Token(1)));
}

#[test]
fn a_member_may_not_offer_more_than_anybody_has() {
    let (mut stage, request) = joining(10_001);
    stage.join(&request, Token(1));
    let Some((_, Answer::Join(Err(refused)))) = stage.answers.pop() else { panic!("it is let in") };
    assert_eq!(refused.error, GroupError::InconsistentGroupProtocol);
}

#[test]
fn a_member_may_offer_others_and_go() {
    let joined = |count| {
        let (mut stage, request) = joining(count);
        stage.join(&request, Token(1));
        stage.pass(3_000);
        let mut protocols = request.protocols.clone();
        protocols.reverse();
        (stage, JoinRequest { member: request.new_member.clone(), protocols, ..request })
    };
    check("another join", 2_500, joined, |(stage, request)| stage.join(request, Token(2)));
    let leave = LeaveRequest {
        group: GroupId::new("g"),
        members: vec![LeavingMember { member: MemberId::new("a"), instance: None }],
    };
    check("leaving", 2_500, joined, |(stage, _)| stage.leave(&leave, Token(2)));
}

/// A classic group of so many members, each with its assignment.
fn settled(count: usize) -> Stage {
    let mut stage = Stage::new(Stage::defaults());
    let protocols = offered(&names(1));
    for number in 0..count {
        stage.join(&join_of(&member(number), protocols.clone()), Token(number as u64));
    }
    stage.pass(6_000);
    let leader = member(0);
    stage.sync(&sync_of(&leader, assignments(count)), Token(0));
    for number in 1..count {
        stage.sync(&sync_of(&member(number), Vec::new()), Token(number as u64));
    }
    stage.answers.clear();
    stage
}

fn member(number: usize) -> String {
    format!("m{number:07}")
}

fn assignments(count: usize) -> Vec<(MemberId, Bytes)> {
    (0..count).map(|number| (MemberId::new(&member(number)), Bytes::from_static(b"a"))).collect()
}

fn sync_of(member: &str, assignments: Vec<(MemberId, Bytes)>) -> SyncRequest {
    SyncRequest {
        group: GroupId::new("g"),
        generation: Generation(1),
        member: MemberId::new(member),
        instance: None,
        protocol_type: None,
        protocol: None,
        assignments,
    }
}

#[test]
fn a_leader_may_assign_to_any_number() {
    let joined = |count| {
        let mut stage = Stage::new(Stage::defaults());
        stage.join(&join_of("m0000000", offered(&names(1))), Token(1));
        stage.pass(3_000);
        (stage, sync_of("m0000000", assignments(count)))
    };
    check("an assignment", 5_000, joined, |(stage, request)| stage.sync(request, Token(2)));
}

#[test]
fn members_may_leave_together_or_fall_silent_together() {
    let leaving = |count: usize| {
        let members =
            (0..count).map(|number| LeavingMember { member: MemberId::new(&member(number)), instance: None });
        (settled(count), LeaveRequest { group: GroupId::new("g"), members: members.collect() })
    };
    check("leaving", 1_000, leaving, |(stage, request)| stage.leave(request, Token(2)));
    check("silence", 1_000, settled, |stage| stage.pass(200_000));
}

#[test]
fn ids_may_be_asked_for_and_expire_together() {
    let asked = |count: usize| {
        let mut stage = Stage::new(Stage::defaults());
        ask_ids(&mut stage, 0, count);
        // One member that has joined, and waits for them.
        stage.join(&join_of("a", offered(&names(1))), Token(2));
        stage.pass(10);
        stage
    };
    check("expiry", 2_000, asked, |stage| stage.pass(100_000));
    // Past their bound the oldest is forgotten for each.
    let full = |count: usize| {
        let mut stage = Stage::new(Stage::defaults());
        ask_ids(&mut stage, 0, 10_000);
        (stage, count)
    };
    check("more ids", 1_000, full, |(stage, count)| ask_ids(stage, 10_000, *count));
}

fn ask_ids(stage: &mut Stage, from: usize, count: usize) {
    let protocols = offered(&names(1));
    for number in from..from + count {
        let request = join_of(&member(number), protocols.clone());
        let request = JoinRequest { handshake: MemberIdHandshake::Required, ..request };
        stage.join(&request, Token(number as u64));
    }
}

/// Offsets of partitions in falling order, which is the worst for what is kept in order.
fn commit_of(count: usize) -> CommitRequest {
    let offsets = (0..count).rev().map(|partition| OffsetToCommit {
        topic: TopicName::new("t"),
        topic_id: TopicId::ZERO,
        partition: PartitionIndex(partition as i32),
        offset: Offset(7),
        leader_epoch: LeaderEpoch(1),
        metadata: None,
    });
    CommitRequest {
        group: GroupId::new("g"),
        member: MemberId::none(),
        instance: None,
        generation: Generation::NONE,
        retention_ms: None,
        unknown_group: UnknownGroup::NotFound,
        offsets: offsets.collect(),
    }
}

#[test]
fn offsets_may_be_committed_and_deleted_together() {
    let fresh = |count| (Stage::new(Stage::defaults()), commit_of(count));
    check("a commit", 10_000, fresh, |(stage, request)| stage.commit(request, Token(1)));
    let committed = |count| {
        let (mut stage, request) = fresh(count);
        stage.commit(&request, Token(1));
        let partitions = (0..count).map(|it| (TopicName::new("t"), PartitionIndex(it as i32)));
        (stage, DeleteOffsetsRequest { group: GroupId::new("g"), partitions: partitions.collect() })
    };
    check("a deletion", 10_000, committed, |(stage, request)| {
        stage.turn(|coordinator, _, actions| coordinator.delete_offsets(request, Token(2), actions));
    });
}

#[test]
fn groups_may_be_deleted_together() {
    let many = |count: usize| {
        let mut stage = Stage::new(Stage::defaults());
        let ids: Vec<GroupId> = (0..count).map(|number| GroupId::new(&member(number))).collect();
        for group in &ids {
            stage.commit(&CommitRequest { group: group.clone(), ..commit_of(1) }, Token(1));
        }
        // What is on its way to the log is deleted, too.
        stage.disk = crate::stage::Disk::Held;
        for group in &ids {
            stage.commit(&CommitRequest { group: group.clone(), ..commit_of(2) }, Token(1));
        }
        (stage, ids)
    };
    check("a deletion", 1_000, many, |(stage, ids)| {
        stage.turn(|coordinator, now, actions| coordinator.delete_groups(now, ids, Token(2), actions));
    });
    check("a search", 1_000, many, |(stage, _)| {
        stage.turn(|coordinator, now, actions| {
            let later = Now { clock: MonotonicMs(700_000), ..now };
            coordinator.expire(later, &crate::stage::TopicTable::default(), actions);
        });
    });
}

fn beat_of(member: &str, topics: Vec<Arc<str>>, epoch: Epoch, owned: Option<Partitions>) -> ConsumerBeat {
    ConsumerBeat {
        group: GroupId::new("g"),
        member: MemberId::new(member),
        new_member: MemberId::none(),
        id_origin: MemberIdOrigin::Member,
        epoch,
        instance: None,
        rack: None,
        client_id: Arc::from("client"),
        client_host: Arc::from("/127.0.0.1"),
        rebalance_timeout_ms: Some(300_000),
        topics: Some(topics),
        pattern: None,
        assignor: None,
        owned: owned.or(Some(Partitions::default())),
    }
}

#[test]
fn a_consumer_may_name_any_number_of_topics() {
    let fresh = |count| {
        let topics = names(count);
        let mut stage = Stage::new(Stage::defaults());
        for (number, name) in topics.iter().enumerate() {
            stage.topics.put_numbered(name, 1 + number as u128, 1);
        }
        (stage, topics)
    };
    check("a heartbeat", 2_000, fresh, |(stage, topics)| {
        stage.beat(&beat_of("a", topics.clone(), Epoch::JOINING, None), Token(1));
    });
    // Another that wants all but one gets half of what the first has.
    let joined = |count| {
        let (mut stage, topics) = fresh(count);
        stage.beat(&beat_of("a", topics.clone(), Epoch::JOINING, None), Token(1));
        stage.pass(5_000);
        (stage, topics)
    };
    check("another consumer", 500, joined, |(stage, topics)| {
        let fewer = topics.iter().skip(1).cloned().collect();
        stage.beat(&beat_of("b", fewer, Epoch::JOINING, None), Token(1));
    });
}

#[test]
fn a_consumer_may_say_that_it_owns_any_number_of_partitions() {
    let joined = |count: usize| {
        let mut stage = Stage::new(Stage::defaults());
        stage.topics.put("t", count as i32);
        stage.beat(&beat_of("a", vec![Arc::from("t")], Epoch::JOINING, None), Token(1));
        let Some((_, Answer::ConsumerHeartbeat(Ok(beat)))) = stage.answers.pop() else { panic!() };
        let keys = (0..count).map(|it| PartitionKey::new(TopicId([b't'; 16]), PartitionIndex(it as i32)));
        (stage, beat.epoch, Partitions::of(keys, Epoch(0)))
    };
    // Large enough for every list to be of pages of its own, at either size.
    check("a heartbeat", 20_000, joined, |(stage, epoch, owned)| {
        stage.beat(&beat_of("a", vec![Arc::from("t")], *epoch, Some(owned.clone())), Token(2));
    });
}

#[test]
fn consumers_may_leave_together_each_with_a_pattern() {
    let many = |count: usize| {
        let mut stage = Stage::new(Stage::defaults());
        for number in 0..count {
            let beat = beat_of(&member(number), Vec::new(), Epoch::JOINING, None);
            stage.beat(&ConsumerBeat { pattern: Some(Arc::from(format!("p{number}"))), ..beat }, Token(1));
        }
        let members =
            (0..count).map(|number| LeavingMember { member: MemberId::new(&member(number)), instance: None });
        (stage, LeaveRequest { group: GroupId::new("g"), members: members.collect() })
    };
    check("leaving", 250, many, |(stage, request)| stage.leave(request, Token(2)));
}
