//! What befalls a member: it leaves, freezes, crashes, and somebody comes in its place,
//! until all faults are over.

use std::rc::Rc;
use std::time::Duration;

use millrace_rt::{now, random_u64, select, sleep};

use super::flow::{GroupFlow, LOOK_AGAIN};
use super::member::Member;
use super::mood::Mood;

/// Nothing befalls a member for so long.
const QUIET_MS: std::ops::Range<u64> = 20..500;
/// Longer than some sessions and shorter than others.
const FREEZE_MS: std::ops::Range<u64> = 50..2_000;
/// Until somebody takes a slot that became free.
const VACANCY_MS: std::ops::Range<u64> = 0..400;

/// Keeps one slot of a group taken, mostly. Runs until the world ends.
pub(crate) async fn keep_slot(flow: GroupFlow, group: usize, slot: usize) {
    flow.until_topics().await;
    let ends_absent = flow.plan.groups[group].slots[slot].ends_absent;
    loop {
        if flow.is_healing() && ends_absent {
            return;
        }
        let mood: Rc<Mood> = Rc::default();
        let member = Member::new(flow.clone(), (group, slot), Rc::clone(&mood));
        // Whichever ends: it has left, or it crashed in the middle of whatever it did.
        select(member.live(), befall(&flow, &mood, ends_absent)).await;
        flow.ledger.borrow_mut().generations[group].leave(slot);
        if !flow.is_healing() {
            sleep(Duration::from_millis(within(VACANCY_MS))).await;
        }
    }
}

/// Returns when the member crashes.
async fn befall(flow: &GroupFlow, mood: &Mood, ends_absent: bool) {
    loop {
        let quiet_until = now() + Duration::from_millis(within(QUIET_MS));
        while now() < quiet_until && !flow.is_healing() {
            sleep(LOOK_AGAIN).await;
        }
        if flow.is_healing() {
            break;
        }
        match random_u64() % 8 {
            0 => return,
            1 => mood.leave(),
            2 | 3 => mood.freeze(Duration::from_millis(within(FREEZE_MS))),
            _ => {}
        }
    }
    match random_u64() % 3 {
        _ if !ends_absent => mood.freeze(Duration::ZERO),
        0 => return,
        1 => mood.leave(),
        _ => mood.freeze(Duration::MAX),
    }
    std::future::pending::<()>().await;
}

/// By the chance of the world.
fn within(range: std::ops::Range<u64>) -> u64 {
    range.start + random_u64() % (range.end - range.start)
}
