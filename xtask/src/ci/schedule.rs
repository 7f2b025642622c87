//! Which steps stand beside one another: as many as the machine has room for,
//! in the table's order as far as that goes.

use super::steps::{Step, Takes};

/// A processor in shares: a step that mostly waits leaves half of one to others.
const PROCESSOR: usize = 2;

/// What is left of the machine.
pub(super) struct Room {
    shares: usize,
    taken: usize,
    at_once: usize,
    running: usize,
}

impl Room {
    /// A machine of so many processors on which at most `at_once` steps run beside one another.
    pub(super) fn new(processors: usize, at_once: usize) -> Room {
        Room { shares: processors.max(1) * PROCESSOR, taken: 0, at_once: at_once.max(1), running: 0 }
    }

    pub(super) fn take(&mut self, step: &Step) {
        self.taken += self.shares_of(step);
        self.running += 1;
    }

    pub(super) fn give_back(&mut self, step: &Step) {
        self.taken -= self.shares_of(step);
        self.running -= 1;
    }

    pub(super) fn fits(&self, step: &Step) -> bool {
        self.running < self.at_once && self.taken + self.shares_of(step) <= self.shares
    }

    fn shares_of(&self, step: &Step) -> usize {
        let shares = match step.takes {
            Takes::Machine => self.shares,
            Takes::Processor => PROCESSOR,
            Takes::Moments => 1,
            Takes::Nothing => 0,
        };
        shares.min(self.shares)
    }
}

/// The first waiting step that has room and whose needs are not waiting or running themselves.
pub(super) fn next(waiting: &[&'static Step], running: &[&'static Step], room: &Room) -> Option<usize> {
    let is_due = |need: &str| waiting.iter().chain(running).any(|step| step.name == need);
    waiting.iter().position(|step| room.fits(step) && !step.needs.iter().any(|need| is_due(need)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ci::steps::{STEPS, Work};

    const fn step(name: &'static str, needs: &'static [&'static str], takes: Takes) -> Step {
        Step { name, needs, takes, work: Work::Tidy }
    }

    static BUILD: Step = step("build", &[], Takes::Machine);
    static SWEEP: Step = step("sweep", &["build"], Takes::Processor);
    static OTHER: Step = step("other", &["build"], Takes::Processor);
    static ALONE: Step = step("alone", &["build"], Takes::Machine);
    static IDLER: Step = step("idler", &["build"], Takes::Nothing);
    static WAITER: Step = step("waiter", &[], Takes::Moments);

    /// Names in the order in which steps start; each runs until nothing more fits, then the first ends.
    fn order(processors: usize, at_once: usize) -> Vec<Vec<&'static str>> {
        let mut waiting = vec![&BUILD, &SWEEP, &ALONE, &OTHER, &WAITER, &IDLER];
        let mut running: Vec<&'static Step> = Vec::new();
        let (mut room, mut seen) = (Room::new(processors, at_once), Vec::new());
        loop {
            while let Some(index) = next(&waiting, &running, &room) {
                room.take(waiting[index]);
                running.push(waiting.remove(index));
            }
            if running.is_empty() {
                return seen;
            }
            seen.push(running.iter().map(|step| step.name).collect());
            room.give_back(running.remove(0));
        }
    }

    #[test]
    fn steps_stand_beside_one_another_as_far_as_there_is_room() {
        let beside: [&[&str]; 6] = [
            &["build"],
            &["sweep", "other", "idler"],
            &["other", "idler", "waiter"],
            &["idler", "waiter"],
            &["waiter"],
            &["alone"],
        ];
        assert_eq!(order(2, 9), beside);
        let one = order(2, 1);
        assert_eq!(one, [["build"], ["sweep"], ["alone"], ["other"], ["waiter"], ["idler"]]);
        // One processor computes one thing, but what waits all the time is beside it.
        let narrow: [&[&str]; 5] =
            [&["build"], &["sweep", "idler"], &["idler", "alone"], &["alone"], &["other"]];
        assert_eq!(order(1, 9)[..5], narrow);
    }

    #[test]
    fn every_need_stands_in_the_table_before_who_needs_it() {
        for (index, step) in STEPS.iter().enumerate() {
            for need in step.needs {
                assert!(
                    STEPS[..index].iter().any(|earlier| earlier.name == *need),
                    "{} of {}",
                    need,
                    step.name
                );
            }
        }
    }
}
