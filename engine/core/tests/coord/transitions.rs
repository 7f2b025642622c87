//! Every state of a group meets every event. `MILLRACE_BLESS=1` writes what came of it into the tables; read it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use millrace_core::base::{PartitionIndex, PartitionKey};
use millrace_core::coord::*;

use crate::print;
use crate::script::Runner;
use crate::stage::Disk;

/// What a table is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Classic,
    Consumer,
}

/// `state: NAME [settings]` or `event: NAME`, the lines of its script, and behind `| ` what came of them.
#[derive(Debug, Clone, Default)]
struct Block {
    head: String,
    script: Vec<String>,
    rows: Vec<String>,
}

/// What a group shows of itself between two lines of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shape {
    text: String,
    state: String,
    /// Of a classic group its generation, of a consumer group its epoch.
    number: i32,
    /// What of a consumer group's topics nobody owns, though all have what they are to own.
    unowned: Vec<String>,
}

impl Block {
    fn name(&self) -> &str {
        let (_, name) = self.head.split_once(": ").unwrap();
        name.split(" [").next().unwrap()
    }

    fn settings(&self) -> &str {
        self.head.split_once('[').map_or("", |(_, rest)| rest.trim_end_matches(']'))
    }

    fn is(&self, kind: &str) -> bool {
        self.head.starts_with(kind)
    }

    fn parse(text: &str) -> Vec<Block> {
        let mut blocks = Vec::new();
        for part in text.split("\n\n").filter(|part| !part.trim().is_empty()) {
            let mut lines = part.lines();
            let mut block = Block { head: lines.next().unwrap().to_owned(), ..Block::default() };
            for line in lines {
                let kept = if line.starts_with("| ") { &mut block.rows } else { &mut block.script };
                kept.push(line.to_owned());
            }
            blocks.push(block);
        }
        blocks
    }

    fn print(blocks: &[Block]) -> String {
        let one = |block: &Block| {
            let lines = std::iter::once(&block.head).chain(&block.script).chain(&block.rows);
            lines.map(|line| format!("{line}\n")).collect::<String>()
        };
        blocks.iter().map(one).collect::<Vec<_>>().join("\n")
    }
}

/// One state, brought about anew, and what is seen of it.
struct Cell {
    kind: Kind,
    runner: Runner,
    /// Of every record that was ever asked for.
    asked: Vec<CoordinatorRecord>,
    last_write: u64,
}

impl Cell {
    fn new(kind: Kind, state: &Block) -> Cell {
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
    fn note_asked(&mut self) -> Vec<String> {
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

    fn run(&mut self, line: &str) -> Vec<String> {
        let line = self.resolve(line);
        let shown = self.runner.run(&line);
        let logged = self.runner.stage.log.len();
        if self.runner.stage.disk == Disk::Fast && self.asked.len() < logged {
            self.asked = self.runner.stage.log.clone();
        }
        shown
    }

    /// Puts numbers for `gen=@-1` and `epoch=@+1`: of the group's generation, or of the epoch of the line's member.
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

    fn shape(&self) -> Shape {
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

    /// `Reconciling 3/2 m=2![t0]>[t0 t1]`: group and assigned epoch; of a member its epoch, what it owns, and what it is
    /// to own where that is another. `!` is one that is to give up, `?` one that waits for others.
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

    /// Completes what is under way, and what is asked for behind it; the write `failing` fails. Answers what was said,
    /// and what was asked for behind.
    fn complete(&mut self, failing: Option<u64>) -> (Vec<String>, Vec<String>) {
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

/// `Stable 1 range a* s@i`: state, generation, protocol, and the members, the leader with a star, each with its
/// assignment.
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

/// What comes of an event in a state.
struct Outcome {
    rows: Vec<String>,
    /// Before and behind the event, and when all is in the log; where that failed.
    shapes: Vec<Shape>,
    /// What was answered at once.
    said: Vec<String>,
    has_asked: bool,
}

fn meet(kind: Kind, state: &Block, event: &Block) -> Outcome {
    let mut cell = Cell::new(kind, state);
    let (before, asked_before) = (cell.shape(), cell.last_write);
    let said: Vec<String> = event.script.iter().flat_map(|line| cell.run(line)).collect();
    let asked = cell.note_asked();
    let after = cell.shape();
    let mut row = format!("| {}: {}{}", state.name(), answers(&said), moved(&before, &after));
    let has_asked = !asked.is_empty();
    // Nobody tells a coordinator that is gone of its writes.
    let waits = !is_loading(event) && (has_asked || (!cell.runner.stage.held.is_empty() && before != after));
    let (mut rows, mut shapes) = (Vec::new(), vec![before, after.clone()]);
    if waits {
        let failing =
            cell.runner.stage.held.iter().map(|(id, _)| id.0).find(|id| !has_asked || *id > asked_before);
        let (then, behind) = cell.complete(None);
        let end = cell.shape();
        row.push_str(&format!(
            "{} then {}{}{}",
            records("writes", &asked),
            answers(&then),
            records("writes", &behind),
            moved(&after, &end)
        ));
        let mut again = Cell::new(kind, state);
        event.script.iter().for_each(|line| drop(again.run(line)));
        again.note_asked();
        let (then, _) = again.complete(failing);
        let failed = again.shape();
        rows.push(format!("|     unwritten: {}{}", answers(&then), moved(&after, &failed)));
        shapes.extend([end, failed]);
    }
    rows.insert(0, row);
    Outcome { rows, shapes, said, has_asked }
}

fn records(word: &str, shown: &[String]) -> String {
    if shown.is_empty() { String::new() } else { format!(" {word} {{{}}}", shown.join("; ")) }
}

fn answers(shown: &[String]) -> String {
    if shown.is_empty() { "-".to_owned() } else { shown.join("; ") }
}

fn moved(before: &Shape, after: &Shape) -> String {
    if before == after { " =".to_owned() } else { format!(" -> {}", after.text) }
}

/// Runs every event in every state of a table and compares; answers the commands of its events.
fn check(kind: Kind, file: &str, mut judge: impl FnMut(&Block, &Block, &Outcome)) -> BTreeSet<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/coord/transitions").join(file);
    #[expect(clippy::disallowed_methods, reason = "a test reads a file of the repository")]
    let text = std::fs::read_to_string(&path).unwrap();
    let blocks = Block::parse(&text);
    let states: Vec<&Block> = blocks.iter().filter(|block| block.is("state: ")).collect();
    let is_blessed = std::env::var_os("MILLRACE_BLESS").is_some();
    if !is_blessed {
        missing_cells(&blocks, &states, file);
    }
    let mut found = blocks.clone();
    for block in &mut found {
        if block.is("state: ") {
            block.rows = vec![format!("| {}", Cell::new(kind, block).shape().text)];
        } else if block.is("event: ") {
            block.rows.clear();
            for state in &states {
                let outcome = meet(kind, state, block);
                judge(state, block, &outcome);
                block.rows.extend(outcome.rows);
            }
        }
    }
    let found = Block::print(&found);
    if is_blessed && text != found {
        #[expect(clippy::disallowed_methods, reason = "asked for by MILLRACE_BLESS")]
        std::fs::write(path, &found).unwrap();
    } else {
        compare(&text, &found, file);
    }
    let events = blocks.iter().filter(|block| block.is("event: "));
    let lines = events.flat_map(|event| &event.script);
    lines.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

fn compare(text: &str, found: &str, file: &str) {
    let differing = text.lines().zip(found.lines()).enumerate().find(|(_, (told, found))| told != found);
    if let Some((place, (told, found))) = differing {
        panic!("{file}:{} expects\n{told}\nbut\n{found}", place + 1);
    }
    assert_eq!(text, found, "{file}");
}

/// The table has a row for every event in every state, and no other.
fn missing_cells(blocks: &[Block], states: &[&Block], file: &str) {
    let wanted: Vec<&str> = states.iter().map(|state| state.name()).collect();
    for event in blocks.iter().filter(|block| block.is("event: ")) {
        let rows = event.rows.iter().filter(|row| !row.starts_with("|  "));
        let names: Vec<&str> =
            rows.map(|row| row.trim_start_matches("| ").split(": ").next().unwrap()).collect();
        assert_eq!(names, wanted, "{file}: states of the rows of `{}`", event.name());
    }
}

/// What holds in every cell of a table, and which transitions were seen.
#[derive(Default)]
struct Judge {
    transitions: BTreeSet<(String, String)>,
}

/// Refusals that leave something behind: an id that was given away, or a member that is out.
const REFUSALS_THAT_CHANGE: &[&str] = &["MemberIdRequired", "GroupMaxSizeReached"];
const ERRORS: &[&str] = &[
    "CoordinatorNotAvailable",
    "FencedInstanceId",
    "FencedMemberEpoch",
    "GroupIdNotFound",
    "GroupMaxSizeReached",
    "IllegalGeneration",
    "InconsistentGroupProtocol",
    "InvalidGroupId",
    "InvalidRegularExpression",
    "InvalidRequest",
    "InvalidSessionTimeout",
    "MemberIdRequired",
    "NonEmptyGroup",
    "RebalanceInProgress",
    "StaleMemberEpoch",
    "UnknownMemberId",
    "UnreleasedInstanceId",
    "UnsupportedAssignor",
    "UnsupportedVersion",
];
/// Events in which the log is read anew.
const LOADING: &[&str] = &["restart", "unload"];

fn is_loading(event: &Block) -> bool {
    event.script.iter().any(|line| LOADING.contains(&line.as_str()))
}

impl Judge {
    fn cell(&mut self, state: &Block, event: &Block, outcome: &Outcome) {
        let place = format!("`{}` in `{}`", event.name(), state.name());
        let [before, after, ..] = &outcome.shapes[..] else { panic!("{place} has two shapes") };
        let is_request =
            event.script.iter().all(|line| !line.starts_with("after") && !line.starts_with("topic-gone"));
        if is_request && !is_loading(event) {
            for pair in outcome.shapes.windows(2).take(2) {
                self.transitions.insert((pair[0].state.clone(), pair[1].state.clone()));
            }
        }
        if let Some(refusal) = outcome.said.iter().find_map(|said| refusal(said))
            && is_request
            && outcome.said.len() == 1
            && !REFUSALS_THAT_CHANGE.contains(&refusal)
            && !state.name().contains("stalled")
        {
            assert!(before == after && !outcome.has_asked, "{place}: {refusal} changes nothing");
        }
        for pair in outcome.shapes.windows(2) {
            let is_gone = pair[1].text == "Missing";
            assert!(is_gone || is_loading(event) || pair[0].number <= pair[1].number, "{place}: goes back");
        }
        for shape in &outcome.shapes {
            assert_eq!(shape.unowned, Vec::<String>::new(), "{place}: owned by nobody in {}", shape.text);
        }
    }

    /// Every state was there, was led to by requests as `ways` say, and by no other way.
    fn has_seen(&self, states: &[&str], ways: &[(&str, &str)]) {
        let seen: BTreeSet<(&str, &str)> =
            self.transitions.iter().map(|(from, to)| (&**from, &**to)).collect();
        for state in states {
            assert!(seen.iter().any(|(from, _)| from == state), "no state is {state}");
        }
        let seen: BTreeSet<(&str, &str)> = seen.into_iter().filter(|(from, to)| from != to).collect();
        assert_eq!(
            seen,
            ways.iter().copied().collect(),
            "ways from state to state, in one request or its write"
        );
    }
}

/// The error that the event's own request was refused with: its label is `x`, a heartbeat has none.
fn refusal(said: &str) -> Option<&str> {
    let said = said.strip_prefix("x: ").or_else(|| Some(said).filter(|said| !said.contains(": ")))?;
    said.split(' ').take(2).find(|word| ERRORS.contains(word))
}

/// What the events of both tables have to be: all that a host can tell a coordinator of a group.
const EVENTS: &[&str] = &[
    "after",
    "commit",
    "delete",
    "delete-offsets",
    "describe",
    "failed",
    "fetch",
    "leave",
    "limit",
    "list",
    "may-fetch",
    "restart",
    "tally",
    "topic",
    "topic-gone",
    "unload",
    "written",
];

/// Ways from state to state. `Missing` is a group that is not there; what a crash does is no way.
const CLASSIC_WAYS: &[(&str, &str)] = &[
    ("Missing", "Empty"),
    ("Missing", "PreparingRebalance"),
    ("Empty", "PreparingRebalance"),
    ("Empty", "Dead"),
    // An id that was given away is given back.
    ("Empty", "Missing"),
    ("PreparingRebalance", "CompletingRebalance"),
    ("PreparingRebalance", "Empty"),
    ("CompletingRebalance", "Stable"),
    ("CompletingRebalance", "PreparingRebalance"),
    // All leave at once.
    ("CompletingRebalance", "Empty"),
    ("Stable", "PreparingRebalance"),
    ("Stable", "Empty"),
    ("Dead", "Missing"),
    ("Dead", "Empty"),
];

/// The same; `OfOtherType` is a group that only has offsets.
const CONSUMER_WAYS: &[(&str, &str)] = &[
    ("Missing", "Stable"),
    ("Missing", "OfOtherType"),
    ("Empty", "Stable"),
    ("Empty", "Assigning"),
    ("Empty", "Dead"),
    ("Assigning", "Empty"),
    ("Reconciling", "Assigning"),
    ("Reconciling", "Empty"),
    ("Reconciling", "Stable"),
    ("Stable", "Assigning"),
    ("Stable", "Empty"),
    ("Stable", "Reconciling"),
    ("Dead", "Missing"),
    ("Dead", "Empty"),
];

#[test]
fn classic_groups() {
    let mut judge = Judge::default();
    let commands =
        check(Kind::Classic, "classic.txt", |state, event, outcome| judge.cell(state, event, outcome));
    judge.has_seen(&GroupState::ALL.map(GroupState::name), CLASSIC_WAYS);
    for command in EVENTS.iter().chain(&["heartbeat", "join", "sync"]) {
        assert!(commands.contains(*command), "no event is {command}");
    }
}

#[test]
fn consumer_groups() {
    let mut judge = Judge::default();
    let commands =
        check(Kind::Consumer, "consumer.txt", |state, event, outcome| judge.cell(state, event, outcome));
    judge.has_seen(&ConsumerGroupState::ALL.map(ConsumerGroupState::name), CONSUMER_WAYS);
    for command in EVENTS.iter().chain(&["beat", "consumers"]) {
        assert!(commands.contains(*command), "no event is {command}");
    }
}
