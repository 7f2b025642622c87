//! A group of thousands in the making, and what others wait meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::crowd::Crowd;
use super::population;
use crate::clock;
use crate::error::ClientError;
use crate::measure::{Latencies, Table};
use crate::suite::Rig;

/// Full, and in the quick run.
const MEMBERS: (usize, usize) = (7_000, 1_000);
const OTHER_GROUPS: usize = 100;
/// Ours: who waits longer than a second for a heartbeat or a commit stalls.
const LONGEST_SECONDS: f64 = 1.0;
/// Between two turns of the others, each a heartbeat and a commit of all.
const PAUSE: Duration = Duration::from_millis(20);
const SLICES: u32 = 2;

/// What the other groups' members waited.
struct Waits {
    heartbeats: Latencies,
    commits: Latencies,
}

pub(super) fn take(rig: &mut Rig) -> Result<(), ClientError> {
    let broker = population::start(&rig.settings("many-members")?, 1)?;
    let mut others = Crowd::connect(broker.address, &population::named("other", OTHER_GROUPS), 1)?;
    others.join()?;
    others.sync()?;
    let members = rig.scale.pick(MEMBERS.0, MEMBERS.1);
    let mut crowd = Crowd::connect(broker.address, &["crowd".to_owned()], members)?;
    let length = rig.slice * SLICES;
    let alone = beside(&mut others, || {
        clock::sleep(length);
        Ok(())
    })?;
    let begun = clock::now();
    let during = beside(&mut others, || {
        crowd.join()?;
        crowd.sync()?;
        crowd.join_again()?;
        crowd.sync()?;
        crowd.beat().map(drop)
    })?;
    let taken = clock::now() - begun;
    let mut table = Table::of_latencies();
    for (what, waits) in [("alone", &alone), ("beside the crowd", &during)] {
        table.latencies(&format!("heartbeats of the others, {what}"), &waits.heartbeats);
        table.latencies(&format!("commits of the others, {what}"), &waits.commits);
    }
    rig.report.table(&table);
    let members = crowd.len();
    let seconds = taken.as_secs_f64();
    rig.report.note(&format!("{members} members joined, rebalanced and sent heartbeats in {seconds:.1} s"));
    for (what, waits) in [("heartbeat", &during.heartbeats), ("commit", &during.commits)] {
        let name = format!("longest {what} of {OTHER_GROUPS} other groups");
        rig.report.at_most(&name, waits.max().as_secs_f64(), LONGEST_SECONDS, " s");
    }
    broker.kill()
}

/// Has the others go on while `act` runs.
fn beside(others: &mut Crowd, act: impl FnOnce() -> Result<(), ClientError>) -> Result<Waits, ClientError> {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let others = scope.spawn(|| go_on(others, &is_over));
        let acted = act();
        is_over.store(true, Ordering::Relaxed);
        let waits = others.join().map_err(|_| ClientError::Usage("a loading thread panicked".to_owned()))?;
        acted.and(waits)
    })
}

fn go_on(others: &mut Crowd, is_over: &AtomicBool) -> Result<Waits, ClientError> {
    let mut waits = Waits { heartbeats: Latencies::new(), commits: Latencies::new() };
    while !is_over.load(Ordering::Relaxed) {
        others.beat()?.into_iter().for_each(|taken| waits.heartbeats.record(taken));
        others.commit()?.into_iter().for_each(|taken| waits.commits.record(taken));
        clock::sleep(PAUSE);
    }
    Ok(waits)
}
