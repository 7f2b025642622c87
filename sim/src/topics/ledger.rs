//! What the outside was told of topics and their records, and whether it was true. It outlives every crash.

use std::collections::BTreeMap;
use std::rc::Rc;

use millrace_core::base::{Durability, Offset};
use millrace_core::log::BatchHeader;
use millrace_core::meta::{ClientQuotas, FinalizedFeatures, MetadataImage};
use millrace_rt::world::Crash;

use super::features::Features;
use super::plan::{Home, NAMES, TopicLife, TopicPlan};
use super::quotas::Quotas;
use super::subscriptions::{self, Subscription};
use crate::ledger::{self, Verdict};
use crate::promises::Stored;

/// How far a topic is, as far as the outside knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TopicStage {
    Unborn,
    /// Its creation was asked for and not answered.
    Creating,
    Alive,
    /// Its deletion was asked for and not answered.
    Deleting,
    Dead,
}

/// Whether a topic has its last partitions, as far as the outside knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Growth {
    /// It is as it was created.
    None,
    /// They were asked for, and that was not answered.
    Asked,
    Done,
}

/// What a producer knows of one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    No,
    Unanswered,
    Acknowledged(Offset),
}

pub(crate) struct TopicLedger {
    pub(crate) plan: Rc<TopicPlan>,
    /// By life.
    stages: Vec<TopicStage>,
    /// By life.
    growth: Vec<Growth>,
    /// By life, partition and place.
    batches: Vec<Vec<Vec<Sent>>>,
    /// Bytes of each live partition's log when it was last read, by the name of its directory.
    pub(crate) read: BTreeMap<String, Vec<u8>>,
    pub(crate) quotas: Quotas,
    pub(crate) features: Features,
    pub(crate) subscription: Subscription,
    /// The machine lost power since the last audit.
    pub(crate) lost_power: bool,
    pub(crate) verdict: Verdict,
}

impl ledger::Ledger for TopicLedger {
    fn verdict(&mut self) -> &mut Verdict {
        &mut self.verdict
    }

    fn crashed(&mut self, kind: Crash) {
        self.lost_power |= kind == Crash::Power;
    }
}

impl TopicLedger {
    pub(crate) fn new(plan: Rc<TopicPlan>) -> TopicLedger {
        let unsent =
            |life: &TopicLife| life.batches.iter().map(|batches| vec![Sent::No; batches.len()]).collect();
        TopicLedger {
            stages: vec![TopicStage::Unborn; plan.lives.len()],
            growth: plan.lives.iter().map(grown_at_birth).collect(),
            batches: plan.lives.iter().map(unsent).collect(),
            plan,
            read: BTreeMap::new(),
            quotas: Quotas::default(),
            features: Features::default(),
            subscription: Subscription::default(),
            lost_power: false,
            verdict: Verdict::default(),
        }
    }

    pub(crate) fn violate(&mut self, what: String) {
        millrace_rt::world::log(format!("VIOLATION: {what}"));
        self.verdict.violations.push(what);
    }

    pub(crate) fn stage(&self, life: usize) -> TopicStage {
        self.stages[life]
    }

    pub(crate) fn set_stage(&mut self, life: usize, stage: TopicStage) {
        let topic = &self.plan.lives[life].topic;
        millrace_rt::world::log(format!("{} {} is {stage:?}", topic.name, topic.id));
        self.verdict.acknowledgements += u64::from(matches!(stage, TopicStage::Alive | TopicStage::Dead));
        self.stages[life] = stage;
    }

    pub(crate) fn growth(&self, life: usize) -> Growth {
        self.growth[life]
    }

    pub(crate) fn set_growth(&mut self, life: usize, growth: Growth) {
        let topic = &self.plan.lives[life].topic;
        millrace_rt::world::log(format!("growth of {} {} is {growth:?}", topic.name, topic.id));
        self.verdict.acknowledgements += u64::from(growth == Growth::Done);
        self.growth[life] = growth;
    }

    /// Partitions that a life's topic has, as far as that was answered.
    pub(crate) fn partitions(&self, life: usize) -> usize {
        let planned = &self.plan.lives[life];
        match self.growth[life] {
            Growth::Done => planned.batches.len(),
            Growth::None | Growth::Asked => planned.partitions_first,
        }
    }

    pub(crate) fn sent(&mut self, home: Home, sent: Sent) {
        self.verdict.acknowledgements += u64::from(matches!(sent, Sent::Acknowledged(_)));
        self.batches[home.life][home.partition][home.place] = sent;
    }

    /// Places of a partition's batches that are to be sent, in order.
    pub(crate) fn to_send(&self, life: usize, partition: usize) -> Vec<usize> {
        let batches = self.batches[life][partition].iter().enumerate();
        batches.filter(|(_, sent)| !matches!(sent, Sent::Acknowledged(_))).map(|(place, _)| place).collect()
    }

    /// Compares the topics that a node serves after a start with what was promised; `served` says with how
    /// many partitions it serves a life's topic, by its id and under its name.
    pub(crate) fn audit_topics(&mut self, served: impl Fn(usize) -> Option<usize>) {
        for life in 0..self.stages.len() {
            let (stage, partitions) = (self.stages[life], served(life));
            let there = partitions.is_some();
            partitions.into_iter().for_each(|partitions| self.audit_growth(life, partitions));
            let what = format!("{} {}", self.plan.lives[life].topic.name, self.plan.lives[life].topic.id);
            match (stage, there) {
                (TopicStage::Alive, false) => self.violate(format!("{what} was created, and is gone")),
                (TopicStage::Dead, true) => self.violate(format!("{what} was deleted, and is back")),
                (TopicStage::Unborn, true) => self.violate(format!("{what} was never created, and is there")),
                (TopicStage::Creating | TopicStage::Deleting, true) => self.stages[life] = TopicStage::Alive,
                (TopicStage::Creating, false) => self.stages[life] = TopicStage::Unborn,
                (TopicStage::Deleting, false) => self.stages[life] = TopicStage::Dead,
                (TopicStage::Alive, true) | (TopicStage::Dead | TopicStage::Unborn, false) => {}
            }
        }
        for name in NAMES {
            let plan = Rc::clone(&self.plan);
            let alive = plan.lives_of(name).filter(|life| self.stages[*life] == TopicStage::Alive).count();
            if alive > 1 {
                self.violate(format!("{alive} topics of the name {name} are there"));
            }
        }
    }

    /// Compares the quotas that a node has after a start with what was promised.
    pub(crate) fn audit_quotas(&mut self, found: &ClientQuotas) {
        for broken in self.quotas.audit(found) {
            self.violate(broken);
        }
    }

    /// Compares the levels of features that a node has after a start with what was promised.
    pub(crate) fn audit_features(&mut self, found: &FinalizedFeatures) {
        if let Some(broken) = self.features.audit(found) {
            self.violate(broken);
        }
    }

    /// Compares the subscription to metrics of clients that a node has after a start with what was promised.
    pub(crate) fn audit_subscription(&mut self, image: &MetadataImage) {
        if let Some(broken) = subscriptions::audit(&mut self.subscription, image) {
            self.violate(broken);
        }
    }

    fn audit_growth(&mut self, life: usize, partitions: usize) {
        let planned = &self.plan.lives[life];
        let (first, last) = (planned.partitions_first, planned.batches.len());
        let what = format!("{} {} has {partitions} partitions", planned.topic.name, planned.topic.id);
        self.growth[life] = match self.growth[life] {
            Growth::None | Growth::Asked if partitions == first => grown_at_birth(planned),
            Growth::Asked | Growth::Done if partitions == last => Growth::Done,
            Growth::Asked => return self.violate(format!("{what}, between {first} and {last}")),
            Growth::None => return self.violate(format!("{what}, and was given {first}")),
            Growth::Done => return self.violate(format!("{what}, and was given {last}")),
        };
    }

    /// Compares a partition of a live topic, read whole, with what was sent and acknowledged.
    pub(crate) fn audit_log(&mut self, life: usize, partition: usize, log: &[Stored]) {
        let plan = Rc::clone(&self.plan);
        let topic = &plan.lives[life].topic;
        let name = format!("{}-{partition}", topic.name);
        let mut next = Offset::ZERO;
        for (place, stored) in log.iter().enumerate() {
            let Ok(header) = BatchHeader::parse(&stored.bytes) else {
                self.violate(format!("{name}: no batch at offset {}", stored.base_offset));
                continue;
            };
            if stored.base_offset != next {
                self.violate(format!("{name}: offset {next} is followed by {}", stored.base_offset));
            }
            next = header.next_offset();
            match plan.home(header.checksum) {
                None => self.violate(format!("{name}: nobody sent the batch at {}", stored.base_offset)),
                Some(home) if home.life != life => self.violate(format!(
                    "{name}: the batch at {} belongs to the deleted topic {}",
                    stored.base_offset, plan.lives[home.life].topic.id
                )),
                Some(home) if home != (Home { life, partition, place }) => {
                    self.violate(format!("{name}: batch {place} of the log was sent as {home:?}"));
                }
                Some(home) if self.batches[life][partition][home.place] == Sent::No => {
                    self.violate(format!("{name}: batch {place} was never sent"));
                }
                Some(_) => {}
            }
        }
        let may_lose = self.lost_power && topic.durability == Durability::Process;
        self.audit_promises(
            &name,
            &mut log.iter().map(|stored| stored.base_offset),
            (life, partition),
            may_lose,
        );
        self.read.insert(name, log.iter().flat_map(|stored| stored.bytes.iter().copied()).collect());
    }

    fn audit_promises(
        &mut self,
        name: &str,
        log: &mut dyn Iterator<Item = Offset>,
        (life, partition): (usize, usize),
        may_lose: bool,
    ) {
        for place in 0..self.batches[life][partition].len() {
            let found = log.next();
            match (self.batches[life][partition][place], found) {
                (Sent::Acknowledged(offset), Some(at)) if at == offset => {}
                (Sent::Acknowledged(_), None) if may_lose => {
                    self.batches[life][partition][place] = Sent::Unanswered;
                }
                (Sent::Acknowledged(offset), found) => self.violate(format!(
                    "{name}: batch {place} was acknowledged at {offset}, and is at {found:?}"
                )),
                (Sent::No | Sent::Unanswered, _) => {}
            }
        }
    }
}

fn grown_at_birth(life: &TopicLife) -> Growth {
    if life.partitions_first == life.batches.len() { Growth::Done } else { Growth::None }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a log that holds batches of these lives and places, where the first life is dead and
    /// the second alive with two acknowledged batches.
    fn check(log: &[(usize, usize)], expected: &[&str]) {
        let plan = TopicPlan::new(3);
        let mut written = plan.lives_of("alpha").filter_map(|life| {
            let partition = plan.lives[life].batches.iter().position(|batches| batches.len() > 2)?;
            Some((life, partition))
        });
        let lives = [written.next().unwrap(), written.next().unwrap()];
        let mut ledger = TopicLedger::new(Rc::clone(&plan));
        let (life, partition) = lives[1];
        let mut next = Offset::ZERO;
        for place in 0..2 {
            ledger.sent(Home { life, partition, place }, Sent::Acknowledged(next));
            let records = plan.lives[life].batches[partition][place].header.next_offset();
            next = next.plus(records.0);
        }
        let mut next = Offset::ZERO;
        let stored = log.iter().map(|(number, place)| {
            let (life, partition) = lives[*number];
            let planned = &plan.lives[life].batches[partition][*place];
            let mut bytes = planned.bytes.to_vec();
            bytes[..8].copy_from_slice(&next.0.to_be_bytes());
            let base_offset = next;
            next = next.plus(planned.header.next_offset().0);
            Stored { base_offset, bytes }
        });
        let stored: Vec<Stored> = stored.collect();
        ledger.audit_log(life, partition, &stored);
        assert_eq!(ledger.verdict.violations.len(), expected.len(), "{:?}", ledger.verdict.violations);
        for (violation, expected) in ledger.verdict.violations.iter().zip(expected) {
            assert!(violation.contains(expected), "{violation}");
        }
    }

    #[test]
    fn logs_are_told_apart() {
        check(&[(1, 0), (1, 1)], &[]);
        check(&[(1, 0)], &["batch 1 was acknowledged"]);
        check(&[(1, 0), (1, 1), (1, 2)], &["never sent"]);
        let (deleted, gone) = ("belongs to the deleted topic", "was acknowledged");
        check(&[(1, 0), (1, 1), (0, 0)], &[deleted]);
        check(&[(0, 0), (0, 1)], &[deleted, deleted, gone]);
    }

    #[test]
    fn topics_are_held_to_their_stages() {
        let said = |stage, there| {
            let mut ledger = TopicLedger::new(TopicPlan::new(3));
            ledger.stages[0] = stage;
            let partitions = ledger.partitions(0);
            ledger.audit_topics(|life| (life == 0 && there).then_some(partitions));
            (ledger.verdict.violations.len(), ledger.stages[0])
        };
        assert_eq!(said(TopicStage::Dead, true).0, 1);
        assert_eq!(said(TopicStage::Alive, false).0, 1);
        assert_eq!(said(TopicStage::Unborn, true).0, 1);
        assert_eq!(said(TopicStage::Creating, true), (0, TopicStage::Alive));
        assert_eq!(said(TopicStage::Creating, false), (0, TopicStage::Unborn));
        assert_eq!(said(TopicStage::Deleting, true), (0, TopicStage::Alive));
        assert_eq!(said(TopicStage::Deleting, false), (0, TopicStage::Dead));
    }

    /// Of a topic that is to get from one partition to three.
    #[test]
    fn partitions_are_held_to_their_growth() {
        let plan = TopicPlan::new(3);
        let grows =
            |life: &usize| (plan.lives[*life].partitions_first, plan.lives[*life].batches.len()) == (1, 3);
        let life = (0..plan.lives.len()).find(grows).expect("a topic that grows");
        let said = |growth, partitions| {
            let mut ledger = TopicLedger::new(Rc::clone(&plan));
            ledger.stages[life] = TopicStage::Alive;
            ledger.growth[life] = growth;
            ledger.audit_topics(|served| (served == life).then_some(partitions));
            (ledger.verdict.violations.len(), ledger.growth[life])
        };
        assert_eq!(said(Growth::None, 1), (0, Growth::None));
        assert_eq!(said(Growth::None, 3).0, 1);
        assert_eq!(said(Growth::Asked, 1), (0, Growth::None));
        assert_eq!(said(Growth::Asked, 2).0, 1);
        assert_eq!(said(Growth::Asked, 3), (0, Growth::Done));
        assert_eq!(said(Growth::Done, 1).0, 1);
        assert_eq!(said(Growth::Done, 3), (0, Growth::Done));
    }
}
