//! The course of one seed: groups live through crashes of their members and of the broker, and through disks
//! that are full for a while, and come to rest at the end.

use std::time::Duration;

use millrace_rt::world::{Crash, DiskFault};
use millrace_shard::Planted;

use super::course::GroupCourse;
use super::plan::GroupsPlan;
use crate::chance::Chance;

const SHARDS_MAX: u64 = 3;
const CRASHES_MAX: u64 = 4;
/// A life of the broker, in microseconds: from before anybody has joined to many generations.
const LIFE_MICROS: std::ops::Range<usize> = 2_000..1_500_000;
/// What a full disk still takes.
const FULL_ROOM_MAX: u64 = 400_000;
/// It is full for so long, in microseconds: longer than the broker takes to notice, and, if it is not for a
/// moment only, longer than sessions last.
const FULL_MICROS: std::ops::Range<usize> = 50_000..1_500_000;
const BRIEFLY_FULL_MICROS: std::ops::Range<usize> = 20_000..250_000;
/// Then it is not, for a few heartbeats of each member or for long. What a failed write left out of the log
/// shows where the broker crashes after others have been written,
/// and before the next rebalance has written all anew.
const BRIEFLY_FREE_MICROS: std::ops::Range<usize> = 1_000..120_000;
/// So often in one life, at most.
const FULL_TIMES_MAX: u64 = 3;
/// A crash falls before one of so many next disk operations, if it is not one at a random moment.
const OPERATIONS_AHEAD: u64 = 20;

/// What came of a seed.
#[derive(Debug, Clone)]
pub struct GroupReport {
    pub seed: u64,
    /// Empty: every promise was kept.
    pub violations: Vec<String>,
    pub crashes: u32,
    /// Commits of one partition that were answered.
    pub acknowledgements: u64,
    /// Generations of all groups.
    pub generations: u64,
    /// Heartbeats of the consumer protocol that found a group which could not be written.
    pub put_off: u64,
    /// How often classic members found the group of the consumer protocol turned into one of the other
    /// protocol.
    pub turns: u64,
    pub trace: Vec<String>,
}

/// Runs one seed from its empty disk to its clean end.
pub fn run_seed(seed: u64) -> GroupReport {
    run(seed, None)
}

/// The same of a broker with a fault.
pub fn run_planted(seed: u64, planted: Planted) -> GroupReport {
    run(seed, Some(planted))
}

fn run(seed: u64, planted: Option<Planted>) -> GroupReport {
    crate::under_way(format!("groups of seed {seed}"));
    let plan = GroupsPlan::new(seed);
    let mut course = GroupCourse::new(&plan, planted);
    let mut chance = Chance::new(seed ^ 0x6c0125e);
    let mut crashes = 0;
    let ended = go_through(&mut course, &mut chance, &mut crashes);
    let mut ledger = course.flow.ledger.borrow_mut();
    if let Err(reason) = ended {
        ledger.violations.push(reason);
    }
    GroupReport {
        seed,
        violations: ledger.violations.clone(),
        crashes,
        acknowledgements: ledger.acknowledgements,
        generations: ledger.generations.iter().map(super::generations::Generations::count).sum(),
        put_off: ledger.consumers.put_off(),
        turns: ledger.consumers.turns(),
        trace: course.world.trace().to_vec(),
    }
}

fn go_through(course: &mut GroupCourse, chance: &mut Chance, crashes: &mut u32) -> Result<(), String> {
    let shards = |chance: &mut Chance| 1 + chance.below(SHARDS_MAX) as u16;
    for _ in 0..chance.below(CRASHES_MAX + 1) {
        let node = course.start(shards(chance))?;
        if chance.one_in(2) {
            course.look()?;
        }
        course.world.run_for(Duration::from_micros(chance.between(LIFE_MICROS) as u64));
        course.check()?;
        fill_disk(course, chance)?;
        if chance.one_in(4) {
            course.stop(&node)?;
        } else {
            crash(course, chance)?;
            *crashes += 1;
        }
    }
    let node = course.start(shards(chance))?;
    course.world.run_for(Duration::from_micros(chance.between(LIFE_MICROS) as u64));
    fill_disk(course, chance)?;
    course.rest()?;
    course.stop(&node)?;
    // Whoever is in a group stays in it over a restart.
    let node = course.start(shards(chance))?;
    course.rest()?;
    course.stop(&node)
}

/// Sometimes: the disk is full for a while, so that nothing of groups can be written,
/// and then some of it can.
fn fill_disk(course: &mut GroupCourse, chance: &mut Chance) -> Result<(), String> {
    if !chance.one_in(2) || course.flow.topic_ids().is_empty() {
        return Ok(());
    }
    for _ in 0..1 + chance.below(FULL_TIMES_MAX) {
        course.world.set_fault(course.broker, DiskFault::Full(chance.below(FULL_ROOM_MAX)));
        pass(course, chance, [FULL_MICROS, BRIEFLY_FULL_MICROS]);
        course.world.set_fault(course.broker, DiskFault::None);
        pass(course, chance, [LIFE_MICROS, BRIEFLY_FREE_MICROS]);
        course.check()?;
    }
    Ok(())
}

/// Lets time pass, of one of two kinds.
fn pass(course: &mut GroupCourse, chance: &mut Chance, kinds: [std::ops::Range<usize>; 2]) {
    let [long, short] = kinds;
    let kind = if chance.one_in(2) { long } else { short };
    let micros = chance.between(kind);
    course.world.run_for(Duration::from_micros(micros as u64));
}

/// Ends the broker, now or before one of its next disk operations.
fn crash(course: &mut GroupCourse, chance: &mut Chance) -> Result<(), String> {
    let kind = if chance.one_in(2) { Crash::Power } else { Crash::Process };
    if chance.one_in(2) {
        let operation = course.world.disk_operations(course.broker) + 1 + chance.below(OPERATIONS_AHEAD);
        course.world.crash_at(course.broker, operation, kind);
        course.world.run_for(Duration::from_millis(200));
    }
    course.crash(kind);
    course.check()
}
