//! What the outside was told of groups, and whether it was true. It outlives every crash.

use std::rc::Rc;

use super::consumers::Consumers;
use super::generations::Generations;
use super::joining::Described;
use super::offsets::Offsets;
use super::plan::GroupsPlan;

pub(crate) struct GroupLedger {
    pub(crate) plan: Rc<GroupsPlan>,
    pub(crate) offsets: Offsets,
    /// By group.
    pub(crate) generations: Vec<Generations>,
    /// What was last seen of each group since the last start.
    pub(crate) described: Vec<Option<Described>>,
    /// Of the group of the consumer protocol.
    pub(crate) consumers: Consumers,
    pub(crate) violations: Vec<String>,
    /// Commits of one partition that were answered.
    pub(crate) acknowledgements: u64,
}

impl GroupLedger {
    pub(crate) fn new(plan: Rc<GroupsPlan>) -> GroupLedger {
        GroupLedger {
            offsets: Offsets::default(),
            generations: plan.groups.iter().map(|group| Generations::new(group.slots.len())).collect(),
            described: vec![None; plan.groups.len()],
            consumers: Consumers::default(),
            plan,
            violations: Vec::new(),
            acknowledgements: 0,
        }
    }

    pub(crate) fn violate(&mut self, what: String) {
        millrace_rt::world::log(format!("VIOLATION: {what}"));
        self.violations.push(what);
    }

    /// What was seen before does not say how things are.
    pub(crate) fn look_anew(&mut self) {
        self.consumers.look_anew();
        self.described.iter_mut().for_each(|described| *described = None);
        self.generations.iter_mut().for_each(Generations::forget_confirmations);
    }

    /// Whether every group is stable, with a member in each slot that is to have one, and all partitions
    /// owned; or the first thing that is missing.
    pub(crate) fn settled(&self) -> Result<(), String> {
        for (number, group) in self.plan.groups.iter().enumerate() {
            let missing = |reason| format!("{}: {reason}", group.name);
            let places = self.plan.places(number);
            self.generations[number].settled(group.present(), &places).map_err(missing)?;
            let seen = &self.described[number];
            let expected = Described { state: "Stable".to_owned(), members: group.present().count() };
            if seen.as_ref() != Some(&expected) {
                return Err(missing(format!("it is {seen:?}, not {expected:?}")));
            }
        }
        self.consumers.settled(self.plan.consumers.len(), self.plan.consumed_parts())
    }
}
