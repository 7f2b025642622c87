//! One run of a case: a node lives as often as the case wants, and again behind each crash.

use crate::case::{BOOTS_MAX, Case, Outcome};
use crate::trial::Trial;

/// Where in a case a life stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The first, on an empty disk, or another try of it.
    Beginning,
    /// What a crash of the first left is found.
    BehindCrash,
    /// At the end, with another number of shards perhaps.
    Restart,
}

/// One life of a node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Life {
    pub(crate) shards: u16,
    pub(crate) stage: Stage,
    /// Boots before this one.
    pub(crate) boots: usize,
}

/// How a life ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// As it should; the next of the case begins.
    Clean,
    /// In a crash; the node is booted again.
    Crashed,
    /// Before it began, for want of space; it is tried again.
    NotOpened,
    /// For good.
    Over,
}

/// A node that lives life after life, and what is known of it outside.
pub(crate) trait Lives {
    /// Of all lives so far.
    fn disk_operations(&self) -> u64;
    /// Boots the node, lets it live and judges what it did.
    fn live(&mut self, life: Life, trial: Trial) -> Ending;
    fn keeps_its_promises(&self) -> bool;
    fn outcome(&self, crashes: usize, operations: Vec<u64>) -> Outcome;
}

/// Runs one case to its end.
pub(crate) fn run_lives(node: &mut impl Lives, case: &Case) -> Outcome {
    let (mut crashes, mut operations) = (0, Vec::new());
    let mut trials = case.trials.iter().copied();
    let restarts = case.restarts.iter().rev().map(|&shards| (shards, Stage::Restart));
    let mut due: Vec<(u16, Stage)> = restarts.chain([(case.shards, Stage::Beginning)]).collect();
    while let Some((shards, stage)) = due.pop() {
        let trial = trials.next().unwrap_or_default();
        let before = node.disk_operations();
        let ending = node.live(Life { shards, stage, boots: operations.len() }, trial);
        operations.push(node.disk_operations() - before);
        match ending {
            Ending::Clean => {}
            Ending::NotOpened => due.push((shards, stage)),
            Ending::Crashed => {
                crashes += 1;
                due.push((shards, stage.behind_a_crash()));
            }
            Ending::Over => break,
        }
        if !node.keeps_its_promises() || operations.len() >= BOOTS_MAX + case.restarts.len() {
            break;
        }
    }
    node.outcome(crashes, operations)
}

impl Stage {
    fn behind_a_crash(self) -> Stage {
        match self {
            Stage::Beginning | Stage::BehindCrash => Stage::BehindCrash,
            Stage::Restart => Stage::Restart,
        }
    }
}
