//! What groups cost: memory of groups at rest, large groups, and members that come and go.

use std::sync::Arc;

use bytes::Bytes;
use millrace_core::base::{LeaderEpoch, Offset, PartitionIndex, TimestampMs, TopicId};
use millrace_core::coord::*;

use crate::stage::{EPOCH_MS, Stage};

fn join_of(group: &GroupId, number: usize, metadata: &Bytes) -> JoinRequest {
    JoinRequest {
        group: group.clone(),
        member: MemberId::none(),
        new_member: MemberId::new(&format!("consumer-orders-1-9f0c2a4e-5b1d-4e6f-8a7b-{number:012}")),
        new_consumer: MemberId::new(&format!("9f0c2a4e5b1d4e6f8a7b{number:02}")),
        instance: None,
        client_id: Arc::from("consumer-orders-1"),
        client_host: Arc::from("/192.168.100.200"),
        session_timeout_ms: 45_000,
        rebalance_timeout_ms: 300_000,
        protocol_type: Arc::from("consumer"),
        protocols: ["range", "cooperative-sticky"]
            .map(|name| Protocol { name: Arc::from(name), metadata: metadata.clone() })
            .into(),
        handshake: MemberIdHandshake::Absent,
        skip_assignment: SkipAssignment::Known,
    }
}

fn offsets(coordinator: &Coordinator) -> usize {
    let groups = coordinator.group_ids();
    let figures = groups.iter().filter_map(|group| coordinator.figures(group.as_str()));
    figures.flat_map(|group| group.committed).map(|(_, partitions)| partitions.len()).sum()
}

fn offset_record(group: &GroupId, topic: &TopicName, partition: i32, offset: i64) -> CoordinatorRecord {
    let value = CommittedOffset {
        offset: Offset(offset),
        leader_epoch: LeaderEpoch(1),
        metadata: None,
        commit_timestamp: TimestampMs(EPOCH_MS),
        expire_timestamp: None,
        topic_id: TopicId::ZERO,
    };
    CoordinatorRecord::Offset {
        group: group.clone(),
        topic: topic.clone(),
        partition: PartitionIndex(partition),
        value: Some(value),
    }
}

#[test]
fn ten_thousand_groups_at_rest_take_two_kibibytes_each_with_ten_offsets() {
    let stage = Stage::new(Stage::defaults());
    let mut loader = Loader::new(Arc::clone(&stage.settings), stage.now());
    for number in 0..10_000 {
        let group = GroupId::new(&format!("console-consumer-{number}"));
        let topic = TopicName::new("orders-of-all-customers");
        for partition in 0..10 {
            loader.replay(&offset_record(&group, &topic, partition, 1));
        }
        let value = GroupMetadata {
            protocol_type: Some(Arc::from("consumer")),
            generation: Generation(2),
            protocol: None,
            leader: None,
            state_timestamp: TimestampMs(EPOCH_MS),
            members: Vec::new(),
        };
        loader.replay(&CoordinatorRecord::Group { group, value: Some(value) });
    }
    let coordinator = loader.finish(stage.now(), &mut Vec::new());
    assert_eq!(offsets(&coordinator), 100_000);
    let each = coordinator.recounted_bytes() / 10_000;
    assert!(each <= 2048, "a group takes {each} bytes");
}

#[test]
fn a_hundred_thousand_offsets_of_one_group_load_in_any_order() {
    let stage = Stage::new(Stage::defaults());
    let mut loader = Loader::new(Arc::clone(&stage.settings), stage.now());
    let (group, topic) = (GroupId::new("g"), TopicName::new("t"));
    let others: Vec<TopicName> = (0..900).map(|number| TopicName::new(&format!("t{number}"))).collect();
    // 7919 is prime to both counts: every partition comes once, nowhere near its neighbours.
    for step in 0..10_000 {
        let partition = step * 7919 % 10_000;
        loader.replay(&offset_record(&group, &topic, partition, i64::from(partition)));
    }
    for step in 0..90_000usize {
        let place = step * 7919 % 90_000;
        loader.replay(&offset_record(&group, &others[place % 900], (place / 900) as i32, 5));
    }
    let coordinator = loader.finish(stage.now(), &mut Vec::new());
    assert_eq!(offsets(&coordinator), 100_000);
    for partition in [0, 1, 4999, 9999] {
        let found = coordinator.committed("g", "t", PartitionIndex(partition)).unwrap();
        assert_eq!(found.offset, Offset(i64::from(partition)));
    }
    let each = coordinator.recounted_bytes() / 100_000;
    assert!(each <= 100, "an offset takes {each} bytes");
}

/// A group of `count` members that waits for its leader's assignment.
fn large_group(stage: &mut Stage, count: usize) -> (GroupId, Vec<Joined>) {
    let (group, metadata) = (GroupId::new("large"), Bytes::from(vec![7; 100]));
    for number in 0..count {
        let request = join_of(&group, number, &metadata);
        let token = Token(number as u64);
        stage.join(&request, token);
    }
    stage.pass(6_000);
    let answers = std::mem::take(&mut stage.answers);
    let joined = answers.into_iter().map(|(_, answer)| match answer {
        Answer::Join(Ok(joined)) => joined,
        other => panic!("{other:?}"),
    });
    (group, joined.collect())
}

#[test]
fn seven_thousand_members_join_sync_and_take_a_kibibyte_each() {
    let mut stage = Stage::new(Stage::defaults());
    let count = 7_000;
    let (group, joined) = large_group(&mut stage, count);
    assert_eq!(joined.len(), count);
    let leader = joined.iter().find(|joined| !joined.members.is_empty()).unwrap();
    assert_eq!(leader.members.len(), count);
    let assignment = Bytes::from(vec![9; 60]);
    let assignments: Vec<_> =
        leader.members.iter().map(|member| (member.member.clone(), assignment.clone())).collect();
    for (number, member) in joined.iter().enumerate() {
        let leads = member.member == leader.member;
        let request = SyncRequest {
            group: group.clone(),
            generation: member.generation,
            member: member.member.clone(),
            instance: None,
            protocol_type: None,
            protocol: None,
            assignments: if leads { assignments.clone() } else { Vec::new() },
        };
        let token = Token(number as u64);
        stage.sync(&request, token);
    }
    let is_assigned =
        |answer: &Answer| matches!(answer, Answer::Sync(Ok(synced)) if synced.assignment == assignment);
    assert!(stage.answers.iter().all(|(_, answer)| is_assigned(answer)));
    assert_eq!(stage.answers.len(), count);
    let figures = stage.coordinator.figures(group.as_str()).expect("the group is there");
    assert_eq!((figures.members, figures.status), (count, GroupStatus::Classic(GroupState::Stable)));
    // Beside what its client gave.
    let each = stage.coordinator.recounted_bytes() / count - (2 * 100 + 60);
    assert!(each <= 1024, "a member takes {each} bytes");
}

#[test]
fn heartbeats_leave_nothing_behind() {
    let mut stage = Stage::new(Stage::defaults());
    let (group, joined) = large_group(&mut stage, 100);
    let before = stage.coordinator.recounted_bytes();
    for _ in 0..1_000 {
        stage.pass(10);
        for member in &joined {
            let request = HeartbeatRequest {
                group: group.as_str(),
                generation: member.generation,
                member: member.member.as_str(),
                instance: None,
            };
            let now = stage.now();
            assert_eq!(stage.coordinator.heartbeat(now, &request), Ok(()));
        }
    }
    assert_eq!(stage.coordinator.recounted_bytes(), before);
}

#[test]
fn members_that_come_and_go_leave_nothing_behind() {
    let mut stage = Stage::new(Stage::defaults());
    let (group, metadata) = (GroupId::new("g"), Bytes::from_static(b"m"));
    for number in 0..20_000 {
        let request = join_of(&group, number, &metadata);
        let leave = LeaveRequest {
            group: group.clone(),
            members: vec![LeavingMember { member: request.new_member.clone(), instance: None }],
        };
        let token = |kind| Token(2 * number as u64 + kind);
        stage.join(&request, token(0));
        stage.leave(&leave, token(1));
    }
    assert_eq!(stage.answers.len(), 40_000);
    let bytes = stage.coordinator.recounted_bytes();
    assert!(bytes < 200_000, "a group without members takes {bytes} bytes");
}

#[test]
fn ids_that_are_asked_for_and_never_used_are_bounded() {
    let mut stage = Stage::new(Stage::defaults());
    let (group, metadata) = (GroupId::new("g"), Bytes::from_static(b"m"));
    let ask = |stage: &mut Stage, number: usize| {
        let request =
            JoinRequest { handshake: MemberIdHandshake::Required, ..join_of(&group, number, &metadata) };
        let token = Token(number as u64);
        stage.join(&request, token);
    };
    (0..11_000).for_each(|number| ask(&mut stage, number));
    let before = stage.coordinator.recounted_bytes();
    (11_000..14_000).for_each(|number| ask(&mut stage, number));
    assert!(stage.coordinator.recounted_bytes() < before + before / 2);
    // The last ones are good, the first are forgotten.
    for (number, is_good) in [(13_999, true), (0, false)] {
        let request = join_of(&group, number, &metadata);
        let request = JoinRequest { member: request.new_member.clone(), ..request };
        stage.answers.clear();
        let token = Token(100_000 + number as u64);
        stage.join(&request, token);
        assert_eq!(stage.answers.is_empty(), is_good, "{number}");
    }
}

fn beat_of(number: usize, epoch: Epoch, owned: &Partitions) -> ConsumerBeat {
    ConsumerBeat {
        group: GroupId::new("g"),
        member: MemberId::new(&format!("9f0c2a4e-5b1d-4e6f-8a7b-{number:012}")),
        new_member: MemberId::none(),
        id_origin: MemberIdOrigin::Member,
        epoch,
        instance: None,
        rack: None,
        client_id: Arc::from("consumer-orders-1"),
        client_host: Arc::from("/192.168.100.200"),
        rebalance_timeout_ms: Some(300_000),
        topics: Some(vec![Arc::from("t")]),
        pattern: None,
        assignor: None,
        owned: Some(owned.clone()),
    }
}

#[test]
fn a_thousand_members_of_the_consumer_protocol_settle_and_take_a_kibibyte_each() {
    const MEMBERS: usize = 1_000;
    let mut stage = Stage::new(Stage::defaults());
    stage.topics.put("t", 2_000);
    let mut known = vec![(Epoch::JOINING, Partitions::default()); MEMBERS];
    // All join, and one pause of the assignment later everybody gives up, then takes.
    for _ in 0..5 {
        for (number, (epoch, owned)) in known.iter_mut().enumerate() {
            stage.beat(&beat_of(number, *epoch, owned), Token(1));
            let Some((_, Answer::ConsumerHeartbeat(Ok(beat)))) = stage.answers.pop() else {
                panic!("{number}")
            };
            *epoch = beat.epoch;
            *owned = beat.assignment.unwrap_or_else(|| owned.clone());
        }
        stage.pass(1_000);
    }
    assert!(known.iter().all(|(_, owned)| owned.len() == 2));
    let figures = stage.coordinator.figures("g").unwrap();
    assert_eq!(figures.status, GroupStatus::Consumer(ConsumerGroupState::Stable));
    // Trees count as if their nodes were half full, and two timeouts with room for as many that are over.
    let each = stage.coordinator.recounted_bytes() / MEMBERS;
    assert!(each <= 1152, "a member takes {each} bytes");
}
