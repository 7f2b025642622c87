//! What holds in every cell, and which ways lead from state to state.

use std::collections::BTreeSet;

use millrace_core::coord::*;

use super::block::Block;
use super::cell::Kind;
use super::table::{Outcome, check, is_loading};

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
