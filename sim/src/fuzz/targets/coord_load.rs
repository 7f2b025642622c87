//! The group coordinator out of whatever stands in its log: it loads, its timeouts run out,
//! and it comes to rest.

use std::sync::Arc;

use bytes::Bytes;
use millrace_core::base::config::BrokerConfig;
use millrace_core::base::{PartitionIndex, PartitionKey, TimestampMs, TopicId};
use millrace_core::coord::{
    Action, ClassicMetadata, ConsumerMemberMetadata, ConsumerRecord, Coordinator, CoordinatorRecord,
    CurrentAssignment, Epoch, GroupEpoch, GroupFilter, GroupId, GroupSettings, InstanceId, Loader, MemberId,
    MemberState, MonotonicMs, Now, Partitions, Protocol, TargetEpoch, TopicView, Topics,
};

use crate::chance::Chance;
use crate::fuzz::golden;
use crate::fuzz::input::Input;
use crate::fuzz::target::{Checked, Field, Target, TargetOutcome, promise};

/// An input is records: the length of the key, the length of the value plus one (0: a tombstone),
/// the key, the value.
pub(in crate::fuzz) const GROUP_LOAD: Target = Target {
    name: "group_load",
    decoders: &["record::decode"],
    golden: golden_inputs,
    generate,
    fields: |bytes| {
        (0..bytes.len().min(300))
            .flat_map(|at| [Field::big(at, 1), Field::big(at, 2), Field::big(at, 4)])
            .collect()
    },
    check,
    ..Target::PLAIN
};

fn input(records: &[(&[u8], Option<&[u8]>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (key, value) in records {
        out.push(key.len() as u8);
        out.extend((value.map_or(0, |value| value.len() + 1) as u16).to_be_bytes());
        out.extend_from_slice(key);
        out.extend_from_slice(value.unwrap_or_default());
    }
    out
}

fn records(mut rest: &[u8]) -> Vec<(&[u8], Option<&[u8]>)> {
    let mut out = Vec::new();
    while let [key_length, high, low, after @ ..] = rest {
        let (key, after) = after.split_at(usize::from(*key_length).min(after.len()));
        let value_length = usize::from(u16::from_be_bytes([*high, *low]));
        let (value, after) = after.split_at(value_length.saturating_sub(1).min(after.len()));
        out.push((key, (value_length > 0).then_some(value)));
        rest = after;
    }
    out
}

/// A group with a member, a static member and an offset.
fn generate(chance: &mut Chance) -> Vec<u8> {
    let member = |id: &[u8], instance: Option<&[u8]>| {
        let text = |text: &[u8]| [&(text.len() as i16).to_be_bytes(), text].concat();
        let instance = instance.map_or(vec![0xff, 0xff], text);
        let rest = b"\x00\x01c\x00\x01h\x00\x00\x75\x30\x00\x00\x27\x10\x00\x00\x00\x01m\x00\x00\x00\x01a";
        [&text(id), &instance[..], rest].concat()
    };
    let head =
        b"\x00\x03\x00\x08consumer\x00\x00\x00\x05\x00\x05range\x00\x01a\x00\x00\x00\x00\x00\x00\x00\x09";
    let members = [member(b"a", None), member(b"b", Some(b"i"))];
    let group = [&head[..], &[0, 0, 0, 2], &members.concat()].concat();
    let offset_key = b"\x00\x01\x00\x01g\x00\x01t\x00\x00\x00\x02";
    let offset =
        b"\x00\x03\x00\x00\x00\x00\x00\x00\x00\x07\xff\xff\xff\xff\x00\x01m\x00\x00\x00\x00\x00\x00\x00\x09";
    let group_key = b"\x00\x02\x00\x01g";
    let mut log: Vec<(&[u8], Option<&[u8]>)> = vec![(group_key, Some(&group)), (offset_key, Some(offset))];
    if chance.below(2) == 0 {
        log.push((group_key, None));
    }
    [input(&log), generate_consumers(chance)].concat()
}

/// A group of the consumer protocol whose members may claim the same partitions, be of one instance, or be
/// gone. A subscription to `t`, in its first version.
const SUBSCRIPTION: &[u8] = b"\0\0\0\0\0\x01\0\x01t\xff\xff\xff\xff";

/// The cluster's topics are all gone.
struct NoTopics;

impl Topics for NoTopics {
    fn version(&self) -> u64 {
        1
    }

    fn topic(&self, _name: &str) -> Option<TopicView> {
        None
    }

    fn names(&self) -> Vec<Arc<str>> {
        Vec::new()
    }
}

fn generate_consumers(chance: &mut Chance) -> Vec<u8> {
    let mut partitions = |count: u64| {
        let keys = (0..chance.below(count)).map(|_| chance.below(4) as i32);
        let keys: Vec<i32> = keys.collect();
        Partitions::of(
            keys.into_iter().map(|index| PartitionKey::new(TopicId([7; 16]), PartitionIndex(index))),
            Epoch(2),
        )
    };
    let sets: Vec<Partitions> = (0..6).map(|_| partitions(4)).collect();
    let mut records = vec![ConsumerRecord::Epoch(Some(GroupEpoch { epoch: Epoch(4), metadata_hash: 5 }))];
    for (name, sets) in ["x", "y"].into_iter().zip(sets.chunks(3)) {
        let [target, assigned, revoking] = sets else { continue };
        let id = MemberId::new(name);
        let metadata = ConsumerMemberMetadata {
            instance: (chance.below(2) == 0).then(|| InstanceId::new("i")),
            rack: None,
            client_id: Arc::from("c"),
            client_host: Arc::from("/h"),
            topics: vec![Arc::from("t")],
            pattern: (chance.below(2) == 0).then(|| Arc::from("t.*")),
            rebalance_timeout_ms: chance.below(100_000) as i32,
            assignor: None,
            classic: (chance.below(2) == 0).then(|| ClassicMetadata {
                session_timeout_ms: chance.below(100_000) as i32,
                protocols: vec![Protocol {
                    name: Arc::from("range"),
                    metadata: Bytes::from_static(SUBSCRIPTION),
                }],
            }),
        };
        let current = CurrentAssignment {
            epoch: Epoch(chance.below(6) as i32 - 2),
            previous_epoch: Epoch(1),
            state: MemberState::of_code(chance.below(5) as i8, revoking),
            assigned: assigned.clone(),
            revoking: revoking.clone(),
        };
        records.extend([
            ConsumerRecord::Member(id.clone(), Some(metadata)),
            ConsumerRecord::Target(id.clone(), Some(target.clone())),
            ConsumerRecord::Current(id.clone(), Some(current)),
        ]);
        if chance.below(4) == 0 {
            records.extend([ConsumerRecord::Current(id.clone(), None), ConsumerRecord::Member(id, None)]);
        }
    }
    let timestamp = TimestampMs(0);
    records.push(ConsumerRecord::TargetEpoch(Some(TargetEpoch { epoch: Epoch(3), timestamp })));
    if chance.below(4) == 0 {
        records.push(ConsumerRecord::Epoch(None));
    }
    let encoded = records
        .into_iter()
        .filter_map(|record| CoordinatorRecord::Consumer { group: GroupId::new("k"), record }.encode().ok());
    encoded.flat_map(|record| input(&[(record.key.as_slice(), record.value.as_deref())])).collect()
}

fn check(input: &Input<'_>) -> Checked {
    let (mut read, mut refused) = (Vec::new(), 0);
    for (key, value) in records(input.bytes) {
        match CoordinatorRecord::decode(key, value) {
            Ok(record) => read.extend(record),
            Err(_) => refused += 1,
        }
    }
    promise(!input.is_whole() || refused == 0, || format!("{refused} good records are refused"))?;
    let (mut coordinator, mut actions) = load(&read);
    let (again, _) = load(&read);
    let listed = |coordinator: &Coordinator| coordinator.list(&GroupFilter::default());
    promise(listed(&coordinator) == listed(&again), || "the same log gives other groups".to_owned())?;
    let has_rested = come_to_rest(&mut coordinator, &mut actions)?;
    let left = coordinator.list(&GroupFilter::default());
    let may_stay = !has_rested || has_late_offsets(&read);
    promise(left.is_empty() || may_stay, || format!("{left:?} never go"))?;
    Ok(if read.is_empty() { TargetOutcome::Refused } else { TargetOutcome::Decoded })
}

/// Static members that stay away for weeks are looked at every second; not here.
const ROUNDS_MAX: usize = 2_000;

/// Timeouts that run out at one moment come in one turn, and lead to few others at once.
const ROUNDS_AT_ONCE_MAX: usize = 10;

/// When the log is loaded; long after what golden records have for a time.
const LOADED: Now = Now { clock: MonotonicMs(0), wall: TimestampMs(1_700_000_000_000) };

/// A session timeout is 25 days at most, retention 7.
const REST_MS: u64 = 40 * 24 * 3_600_000;

fn load(records: &[CoordinatorRecord]) -> (Coordinator, Vec<Action>) {
    let mut settings = GroupSettings::of(&BrokerConfig::default());
    // Fewer searches in as many days.
    settings.retention_check_interval_ms *= 10;
    let mut loader = Loader::new(Arc::new(settings), LOADED);
    records.iter().for_each(|record| loader.replay(record));
    let mut actions = Vec::new();
    (loader.finish(LOADED, &mut actions), actions)
}

/// Lets all timeouts run out, every write succeed, and says whether that came to an end.
fn come_to_rest(coordinator: &mut Coordinator, actions: &mut Vec<Action>) -> Result<bool, String> {
    let (mut now, mut at_once) = (LOADED, 0);
    for _ in 0..ROUNDS_MAX {
        while !actions.is_empty() {
            for action in std::mem::take(actions) {
                if let Action::Write { id, .. } = action {
                    coordinator.written(now, id, Ok(()), actions);
                }
            }
        }
        let Some(next) = coordinator.next_deadline().filter(|next| next.0 <= REST_MS) else {
            return Ok(true);
        };
        at_once = if next == now.clock { at_once + 1 } else { 0 };
        promise(at_once < ROUNDS_AT_ONCE_MAX, || format!("time stands still at {next:?}"))?;
        now = Now { clock: next, wall: TimestampMs(LOADED.wall.0 + next.0 as i64) };
        coordinator.expire(now, &NoTopics, actions);
    }
    Ok(false)
}

/// Whether the log itself says that something is kept for longer than is waited here.
fn has_late_offsets(records: &[CoordinatorRecord]) -> bool {
    let late_ms = LOADED.wall.0;
    records.iter().any(|record| match record {
        CoordinatorRecord::Offset { value: Some(value), .. } => {
            value.commit_timestamp.0 > late_ms || value.expire_timestamp.is_some_and(|at| at.0 > late_ms)
        }
        CoordinatorRecord::Group { value: Some(value), .. } => value.state_timestamp.0 > late_ms,
        _ => false,
    })
}

fn golden_inputs() -> Vec<Vec<u8>> {
    let texts = golden::texts("engine/core/tests/group_records/golden");
    let lines: Vec<(&str, Vec<u8>)> = texts.iter().flat_map(|text| text.lines()).filter_map(line).collect();
    let key_of = |record: &str| {
        let key = lines.iter().find(|(name, _)| name.strip_suffix("Key") == Some(record));
        key.map_or(&[][..], |(_, bytes)| bytes)
    };
    let values = lines.iter().filter_map(|(name, bytes)| Some((name.strip_suffix("Value")?, bytes)));
    values.map(|(record, bytes)| input(&[(key_of(record), Some(bytes))])).collect()
}

fn line(text: &str) -> Option<(&str, Vec<u8>)> {
    let mut words = text.splitn(5, ' ');
    let (name, _version, _filling, hex) = (words.next()?, words.next()?, words.next()?, words.next()?);
    Some((name, golden::from_hex(hex)))
}
