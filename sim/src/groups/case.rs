//! One case of a sweep: groups go about their business while the broker crashes where the case says, and come
//! to rest at the end of each of its lives.

use std::rc::Rc;
use std::time::Duration;

use super::course::GroupCourse;
use super::plan::GroupsPlan;
use crate::case::{Case, Outcome};
use crate::scenario::{Ending, Life, Lives, run_lives};
use crate::trial::{Blow, Looks, Trial};

/// Members leave, freeze and crash for so long in the first life of the broker.
const SCENE: Duration = Duration::from_millis(700);
const STEP: Duration = Duration::from_millis(10);

/// Runs one case to its end. Of a trial only the blow counts.
pub(crate) fn run_case(plan: &Rc<GroupsPlan>, case: &Case) -> Outcome {
    run_lives(&mut GroupCourse::new(plan, case.planted), case)
}

impl Lives for GroupCourse {
    fn disk_operations(&self) -> u64 {
        self.world.disk_operations(self.broker)
    }

    fn live(&mut self, life: Life, trial: Trial) -> Ending {
        let before = self.disk_operations();
        if let Some(Blow { operation, kind }) = trial.blow {
            self.world.crash_at(self.broker, before + operation, kind);
        }
        let lived = live(self, life.shards);
        let count = self.disk_operations() - before;
        let has_fallen = trial.blow.is_some_and(|blow| count + 1 >= blow.operation);
        let is_blow = has_fallen && !self.world.is_running(self.broker) && self.check().is_ok();
        if let Err(reason) = lived
            && !is_blow
        {
            self.flow.ledger.borrow_mut().violations.push(reason);
        }
        // Where the blow fell within the stop, too: what it left is looked at.
        if has_fallen { Ending::Crashed } else { Ending::Clean }
    }

    fn keeps_its_promises(&self) -> bool {
        self.check().is_ok()
    }

    fn outcome(&self, crashes: usize, operations: Vec<u64>) -> Outcome {
        let ledger = self.flow.ledger.borrow();
        let looks = Looks {
            reads: self.world.disk_reads(self.broker),
            opens: self.world.disk_opens(self.broker),
            lookups: self.world.disk_lookups(self.broker),
        };
        Outcome {
            violations: ledger.violations.clone(),
            crashes,
            operations,
            looks,
            has_refused: false,
            refusals: 0,
            journal_bytes: 0,
            acknowledgements: ledger.acknowledgements,
            trace: self.world.trace().to_vec(),
        }
    }
}

/// One life of the broker, from its start to its clean end, or as far as it comes.
fn live(course: &mut GroupCourse, shards: u16) -> Result<(), String> {
    let node = course.start(shards)?;
    let end = millrace_rt::Moment::ZERO + SCENE;
    while course.world.now() < end && course.world.is_running(course.broker) {
        course.world.run_for(STEP);
        course.check()?;
    }
    course.look()?;
    course.rest()?;
    course.stop(&node)
}
