//! One case of a sweep: groups go about their business while the broker crashes where the case says, and come to rest
//! at the end of each of its lives.

use std::rc::Rc;
use std::time::Duration;

use super::course::Course;
use super::plan::Plan;
use crate::case::{BOOTS_MAX, Case, Outcome};
use crate::trial::{Blow, Looks};

/// Members leave, freeze and crash for so long in the first life of the broker.
const SCENE: Duration = Duration::from_millis(700);
const STEP: Duration = Duration::from_millis(10);

/// Runs one case to its end. Of a trial only the blow counts.
pub(crate) fn run_case(plan: &Rc<Plan>, case: &Case) -> Outcome {
    let mut course = Course::new(plan, case.planted);
    let (mut crashes, mut operations) = (0, Vec::new());
    let mut blows = case.trials.iter().map(|trial| trial.blow);
    let mut boots: Vec<u16> = [case.shards].into_iter().chain(case.restarts.iter().copied()).collect();
    boots.reverse();
    while let Some(shards) = boots.pop() {
        let blow = blows.next().flatten();
        let before = course.world.disk_operations(course.broker);
        if let Some(Blow { operation, kind }) = blow {
            course.world.crash_at(course.broker, before + operation, kind);
        }
        let lived = live(&mut course, shards);
        let count = course.world.disk_operations(course.broker) - before;
        operations.push(count);
        let has_fallen = blow.is_some_and(|blow| count + 1 >= blow.operation);
        crashes += usize::from(has_fallen);
        let is_blow = has_fallen && !course.world.is_running(course.broker) && course.check().is_ok();
        match lived {
            Err(reason) if !is_blow => course.flow.ledger.borrow_mut().violations.push(reason),
            // Where the blow fell within the stop, too: what it left is looked at.
            _ if has_fallen => boots.push(shards),
            _ => {}
        }
        if course.check().is_err() || operations.len() >= BOOTS_MAX + case.restarts.len() {
            break;
        }
    }
    let ledger = course.flow.ledger.borrow();
    let looks = Looks {
        reads: course.world.disk_reads(course.broker),
        opens: course.world.disk_opens(course.broker),
        lookups: course.world.disk_lookups(course.broker),
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
        trace: course.world.trace().to_vec(),
    }
}

/// One life of the broker, from its start to its clean end, or as far as it comes.
fn live(course: &mut Course, shards: u16) -> Result<(), String> {
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
