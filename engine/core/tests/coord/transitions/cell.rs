//! A group in a state of a table, and what it shows of itself.

use std::collections::BTreeSet;

use millrace_core::base::{PartitionIndex, PartitionKey};
use millrace_core::coord::*;

use super::block::Block;
use crate::print;
use crate::script::Runner;
use crate::stage::Disk;

/// What a table is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Classic,
    Consumer,
}

/// What a group shows of itself between two lines of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) text: String,
    pub(super) state: String,
    /// Of a classic group its generation, of a consumer group its epoch.
    pub(super) number: i32,
    /// What of a consumer group's topics nobody owns, though all have what they are to own.
    pub(super) unowned: Vec<String>,
}

/// One state, brought about anew, and what is seen of it.
pub(super) struct Cell {
    kind: Kind,
    pub(super) runner: Runner,
    /// Of every record that was ever asked for.
    asked: Vec<CoordinatorRecord>,
    pub(super) last_write: u64,
}

impl Cell {
    pub(super) fn new(kind: Kind, state: &Block) -> Cell {
        let runner = Runner::new(state.settings());
        let mut cell = Cell { kind, runner, asked: Vec::new(), last_write: 0 };
        for line in &state.script {
            cell.run(line);
        }
        cell.runner.stage.disk = Disk::Held;
        cell.note_asked();
        cell
    }

    /// Writes that were asked for since the last call, but for those that are in the log already.
    pub(super) fn note_asked(&mut self) -> Vec<String> {
        let held = &self.runner.stage.held;
        let new: Vec<_> = held.iter().filter(|(id, _)| id.0 > self.last_write).cloned().collect();
        let mut shown = Vec::new();
        for (id, records) in new {
            self.last_write = id.0;
            shown.extend(records.iter().map(print::record));
            self.asked.extend(records.iter().cloned());
        }
        shown
    }

    pub(super) fn run(&mut self, line: &str) -> Vec<String> {
        let line = self.resolve(line);
        let shown = self.runner.run(&line);
        let logged = self.runner.stage.log.len();
        if self.runner.stage.disk == Disk::Fast && self.asked.len() < logged {
            self.asked = self.runner.stage.log.clone();
        }
        shown
    }

    /// Puts numbers for `gen=@-1` and `epoch=@+1`: of the group's generation,
    /// or of the epoch of the line's member.
    fn resolve(&self, line: &str) -> String {
        let word = |word: &str| {
            let Some((key, by)) = word.split_once("=@") else { return word.to_owned() };
            let by: i32 = by.parse().unwrap();
            let base = match key {
                "gen" if self.kind == Kind::Classic => self.shape().number,
                _ => self.epoch_of(member_of(line)),
            };
            format!("{key}={}", base + by)
        };
        line.split(' ').map(word).collect::<Vec<_>>().join(" ")
    }

    fn epoch_of(&self, member: &str) -> i32 {
        let found = self.runner.stage.coordinator.describe_consumers("g");
        let Described::Found(group) = found else { return UNKNOWN_EPOCH };
        let member = group.members.iter().find(|known| known.member.as_str() == member);
        member.map_or(UNKNOWN_EPOCH, |member| member.epoch.0)
    }

    pub(super) fn shape(&self) -> Shape {
        let coordinator = &self.runner.stage.coordinator;
        match self.kind {
            Kind::Classic => match coordinator.describe("g") {
                Described::Found(group) => classic_shape(&group),
                other => absent(&format!("{other:?}")),
            },
            Kind::Consumer => match coordinator.describe_consumers("g") {
                Described::Found(group) => self.consumer_shape(&group),
                other => absent(&format!("{other:?}")),
            },
        }
    }

    /// `Reconciling 3/2 m=2![t0]>[t0 t1]`: group and assigned epoch; of a member its epoch, what it owns, and
    /// what it is to own where that is another. `!` is one that is to give up, `?` one that waits for others.
    fn consumer_shape(&self, group: &DescribedConsumerGroup) -> Shape {
        let member = |member: &DescribedConsumer| {
            let held = |owned: &Partitions| print::partitions(&Partitions::of(owned.keys(), Epoch(0)));
            let (owned, target) = (held(&member.assigned), held(&member.target));
            let target = if owned == target { String::new() } else { format!(">[{target}]") };
            let instance = member.instance.as_ref().map(|id| format!("@{id}")).unwrap_or_default();
            let mark = match self.member_state(&member.member) {
                Some(MemberState::UnrevokedPartitions) => "!",
                Some(MemberState::UnreleasedPartitions) => "?",
                Some(MemberState::Stable) | None => "",
            };
            format!(" {}{instance}={}{mark}[{owned}]{target}", member.member, member.epoch)
        };
        let members: String = group.members.iter().map(member).collect();
        let state = group.state.name().to_owned();
        let text = format!("{state} {}/{}{members}", group.epoch, group.assigned_epoch);
        let unowned =
            if group.state == ConsumerGroupState::Stable { self.unowned(group) } else { Vec::new() };
        Shape { text, state, number: group.epoch.0, unowned }
    }

    /// As the last record of the member says.
    fn member_state(&self, id: &MemberId) -> Option<MemberState> {
        self.asked.iter().rev().find_map(|record| match record {
            CoordinatorRecord::Consumer { record: ConsumerRecord::Current(member, value), .. }
                if member == id =>
            {
                value.as_ref().map(|value| value.state)
            }
            _ => None,
        })
    }

    /// Completes what is under way, and what is asked for behind it; the write `failing` fails. Answers what
    /// was said, and what was asked for behind.
    pub(super) fn complete(&mut self, failing: Option<u64>) -> (Vec<String>, Vec<String>) {
        let (mut shown, mut asked) = (Vec::new(), Vec::new());
        while let Some((id, _)) = self.runner.stage.held.front() {
            let line = if Some(id.0) == failing { "failed Unavailable" } else { "written" };
            shown.extend(self.runner.run(line));
            asked.extend(self.note_asked());
        }
        (shown, asked)
    }

    /// Partitions of topics that members subscribe to by name, and that nobody owns.
    fn unowned(&self, group: &DescribedConsumerGroup) -> Vec<String> {
        let owned: Vec<PartitionKey> =
            group.members.iter().flat_map(|member| member.assigned.keys()).collect();
        let distinct: BTreeSet<&PartitionKey> = owned.iter().collect();
        assert_eq!(distinct.len(), owned.len(), "{owned:?} once each");
        let names: BTreeSet<&str> =
            group.members.iter().flat_map(|member| member.topics.iter().map(|name| &**name)).collect();
        let topics = names.into_iter().filter_map(|name| self.runner.stage.topics.topic(name));
        let keys = topics.flat_map(|topic| {
            (0..topic.partitions).map(move |index| PartitionKey::new(topic.id, PartitionIndex(index)))
        });
        keys.filter(|key| !distinct.contains(key)).map(|key| format!("{key:?}")).collect()
    }
}

/// What a member that is not there says of itself.
const UNKNOWN_EPOCH: i32 = 7;

fn member_of(line: &str) -> &str {
    line.split(' ').find_map(|word| word.strip_prefix("member=")).unwrap_or_default()
}

fn absent(text: &str) -> Shape {
    Shape { text: text.to_owned(), state: text.to_owned(), number: 0, unowned: Vec::new() }
}

/// `Stable 1 range a* s@i`: state, generation, protocol, and the members, the leader with a star,
/// each with its assignment.
fn classic_shape(group: &DescribedGroup) -> Shape {
    let member = |member: &DescribedMember| {
        let leads = if group.leader.as_ref() == Some(&member.member) { "*" } else { "" };
        let instance = member.instance.as_ref().map(|id| format!("@{id}")).unwrap_or_default();
        let assignment = String::from_utf8_lossy(&member.assignment);
        format!(" {}{instance}{leads}[{assignment}]", member.member)
    };
    let members: String = group.members.iter().map(member).collect();
    let protocol = group.protocol.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
    let state = group.state.name().to_owned();
    let text = format!("{state} {}{protocol}{members}", group.generation.0);
    Shape { text, state, number: group.generation.0, unowned: Vec::new() }
}
