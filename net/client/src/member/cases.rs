//! Lives of members as text: what happens a line, and behind `| ` what the member does then.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::time::Duration;

use millrace_wire::ErrorCode;

use super::range::Subscriber;
use super::requests::{
    Action, Answer, Asked, AssignmentId, Commits, Generation, GroupSettings, Joined, Notice, Request,
};
use super::state::Member;
use crate::error::ClientError;
use crate::place::Place;

/// `case: NAME` with words of its settings behind it, then its life.
const CASES: &str = include_str!("cases.txt");

struct Life {
    member: Member,
    now: Duration,
    asked: Vec<Asked>,
    assignment: AssignmentId,
}

impl Life {
    fn begin(settings: &[&str]) -> Life {
        let has = |word: &str| settings.contains(&word);
        let settings = GroupSettings {
            group: "g".to_owned(),
            topics: BTreeSet::from(["t".to_owned()]),
            instance: has("static").then(|| "i".to_owned()),
            session_timeout: Duration::from_secs(if has("short") { 6 } else { 45 }),
            rebalance_timeout: Duration::from_secs(60),
            commits: if has("no-commit") { Commits::Never } else { Commits::Often },
        };
        let (now, asked) = (Duration::ZERO, Vec::new());
        Life { member: Member::new(settings), now, asked, assignment: AssignmentId(0) }
    }

    /// What the member does then, a line each.
    fn step(&mut self, line: &str) -> Vec<String> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let mut said = Vec::new();
        match word {
            "begin" => {}
            "wait" => self.now += Duration::from_millis(rest.parse().unwrap()),
            "sleep" => match self.member.wake_at() {
                Some(at) => {
                    said.push(format!("for {}", at.saturating_sub(self.now).as_millis()));
                    self.now = self.now.max(at);
                }
                None => said.push("for ever".to_owned()),
            },
            "read" => self.member.handle_read(self.assignment, offsets(rest)),
            "read-of-before" => {
                self.member.handle_read(AssignmentId(self.assignment.0 - 1), offsets(rest));
            }
            "released" => self.member.handle_released(self.assignment),
            "stop" => self.member.handle_stop(self.now),
            "late" => {
                let before = self.asked[self.asked.len() - 2];
                self.member.handle_answer(self.now, before, answer(rest));
            }
            _ => self.member.handle_answer(self.now, *self.asked.last().unwrap(), answer(line)),
        }
        while let Some(action) = self.member.poll(self.now) {
            said.push(match action {
                Action::Ask(asked, request) => {
                    self.asked.push(asked);
                    print_request(&request)
                }
                Action::Tell(notice) => self.print_notice(notice),
            });
        }
        said
    }

    fn print_notice(&mut self, notice: Notice) -> String {
        match notice {
            Notice::Assigned { id, places } => {
                self.assignment = id;
                let place = |(place, offset): (&Place, &Option<i64>)| {
                    format!("{place}={}", offset.map_or("none".to_owned(), |offset| offset.to_string()))
                };
                format!("tell assigned {} {}", id.0, list(places.iter().map(place)))
            }
            Notice::Revoked(id) => format!("tell revoked {}", id.0),
            Notice::Lost(id) => format!("tell lost {}", id.0),
            Notice::Unreachable(why) => format!("tell unreachable {why}"),
            Notice::Left { uncommitted } => format!("tell left {}", print_offsets(&uncommitted)),
            Notice::Failed(failure) => format!("tell failed {failure}"),
        }
        .trim_end()
        .to_owned()
    }
}

fn answer(line: &str) -> Answer {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let pairs = || rest.split_whitespace().map(|pair| pair.split_once('=').unwrap());
    match word {
        "found" => Answer::Found,
        "id" => Answer::MemberIdRequired(rest.to_owned()),
        "joined" => Answer::Joined(joined(rest)),
        "counted" => Answer::Counted(
            pairs().map(|(topic, count)| (topic.to_owned(), count.parse().unwrap())).collect(),
        ),
        "synced" => Answer::Synced(places(rest)),
        "committed" => {
            let offset = |text: &str| match text {
                "none" => Ok(None),
                text => text.parse().map(Some).map_err(|_| code(text)),
            };
            Answer::Committed(pairs().map(|(at, text)| (place(at), offset(text))).collect())
        }
        "ok" => Answer::Done,
        "stored" => Answer::Stored(
            pairs().map(|(at, text)| (place(at), if text == "ok" { 0 } else { code(text) })).collect(),
        ),
        "refused" => Answer::Refused(code(rest)),
        "broken" => Answer::Broken("no answer".to_owned()),
        "unusable" => Answer::Unusable(ClientError::silent()),
        _ => panic!("nothing happens by `{line}`"),
    }
}

/// Generation, own id, leader, `keeps` where there is an assignment,
/// and to the leader `id:topic,topic` of each.
fn joined(text: &str) -> Joined {
    let mut words = text.split_whitespace();
    let mut next = || words.next().unwrap().to_owned();
    let (generation, member, leader) = (next().parse().unwrap(), next(), next());
    let (keeps, members): (Vec<&str>, Vec<&str>) = words.partition(|word| *word == "keeps");
    let subscriber = |text: &&str| {
        let (member, topics) = text.split_once(':').unwrap();
        let topics = topics.split(',').map(str::to_owned).collect();
        Subscriber { member: member.to_owned(), instance: None, topics }
    };
    let subscribers = members.iter().map(subscriber).collect();
    Joined { generation, member, leader, keeps_assignment: !keeps.is_empty(), subscribers }
}

fn code(name: &str) -> i16 {
    let code = (-1..=200).find(|code| ErrorCode::from_i16(*code).is_some_and(|error| error.name() == name));
    code.unwrap_or_else(|| panic!("there is no error {name}"))
}

fn place(text: &str) -> Place {
    let (topic, partition) = text.rsplit_once('-').unwrap();
    Place::new(topic, partition.parse().unwrap())
}

fn places(text: &str) -> BTreeSet<Place> {
    text.split_whitespace().map(place).collect()
}

fn offsets(text: &str) -> BTreeMap<Place, i64> {
    let pairs = text.split_whitespace().map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(at, offset)| (place(at), offset.parse().unwrap())).collect()
}

fn print_request(request: &Request) -> String {
    let who = |Generation { id, member }: &Generation| format!("{member}@{id}");
    let text = match request {
        Request::FindCoordinator => "find".to_owned(),
        Request::Join(generation) => format!("join {}", who(generation)),
        Request::Count(topics) => format!("count {}", list(topics)),
        Request::Sync(generation, assignments) => {
            let member =
                |(member, places): (&String, &BTreeSet<Place>)| format!("{member}: {}", list(places));
            let all: Vec<String> = assignments.iter().map(member).collect();
            format!("sync {} {}", who(generation), all.join("; "))
        }
        Request::Committed(places) => format!("committed? {}", list(places)),
        Request::Heartbeat(generation) => format!("heartbeat {}", who(generation)),
        Request::Commit(generation, offsets) => {
            format!("commit {} {}", who(generation), print_offsets(offsets))
        }
        Request::Leave(generation) => format!("leave {}", who(generation)),
    };
    text.trim_end().to_owned()
}

fn print_offsets(offsets: &BTreeMap<Place, i64>) -> String {
    list(offsets.iter().map(|(place, offset)| format!("{place}={offset}")))
}

fn list(items: impl IntoIterator<Item = impl Display>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(" ")
}

#[test]
fn members_live_as_they_should() {
    let mut happened = String::new();
    let mut life = Life::begin(&[]);
    for line in CASES.lines().filter(|line| !line.starts_with("| ")) {
        happened.push_str(&format!("{line}\n"));
        if let Some(case) = line.strip_prefix("case: ") {
            let settings = case.split_once('[').map_or("", |(_, words)| words.trim_end_matches(']'));
            life = Life::begin(&settings.split_whitespace().collect::<Vec<_>>());
        } else if !line.is_empty() && !line.starts_with('#') {
            life.step(line).iter().for_each(|said| happened.push_str(&format!("| {said}\n")));
        }
    }
    assert_eq!(CASES.matches("case: ").count(), 30, "the cases are all there");
    assert!(happened == CASES, "this happened instead:\n{happened}");
}
