//! One large group: how long its members take to become one,
//! and to agree again when their leader asks for it.

use std::time::Duration;

use super::crowd::Crowd;
use super::population;
use crate::clock;
use crate::error::ClientError;
use crate::measure::{Cell, Table, millis};
use crate::suite::Rig;

/// Full, and in the quick run.
const MEMBERS: (usize, usize) = (2_000, 500);
/// Beyond what the broker is configured to wait.
const BEYOND_SECONDS: f64 = 3.0;
/// The default of `group.initial.rebalance.delay.ms`. It runs from the first member on, and once more behind
/// the last one that came meanwhile: two of them pass at the least.
const INITIAL_DELAY: Duration = Duration::from_secs(3);
const DELAYS: u32 = 2;
/// Rebalances of the formed group, in which nothing is waited for but its members.
const AGAIN: usize = 5;

pub(super) fn take(rig: &mut Rig) -> Result<(), ClientError> {
    let broker = population::start(&rig.settings("rebalance")?, 1)?;
    let members = rig.scale.pick(MEMBERS.0, MEMBERS.1);
    let mut crowd = Crowd::connect(broker.address, &["large".to_owned()], members)?;
    let mut table = Table::new(&["rebalance", "ms in all", "ms configured"]);
    let begun = clock::now();
    crowd.join()?;
    let joined = clock::now() - begun;
    crowd.sync()?;
    let formed = clock::now() - begun;
    let delays = INITIAL_DELAY * DELAYS;
    table.row(vec!["the first: all have joined".into(), millis(joined), millis(delays)]);
    table.row(vec!["the first: all have their parts".into(), millis(formed), millis(delays)]);
    let mut again = Vec::new();
    for round in 1..=AGAIN {
        let begun = clock::now();
        crowd.join_again()?;
        crowd.sync()?;
        let taken = clock::now() - begun;
        table.row(vec![Cell::Text(format!("again, {round}")), millis(taken), Cell::Number(0.0, 1)]);
        again.push(taken);
    }
    // Everybody is a member of the last generation.
    crowd.beat()?;
    rig.report.table(&table);
    let beyond = formed.as_secs_f64() - delays.as_secs_f64();
    let name = format!("{members} members form a group, beyond two initial delays");
    rig.report.at_most(&name, beyond, BEYOND_SECONDS, " s");
    let longest = again.into_iter().max().unwrap_or_default();
    let name = format!("{members} members rebalance again, longest of {AGAIN}");
    rig.report.at_most(&name, longest.as_secs_f64(), BEYOND_SECONDS, " s");
    broker.kill()
}
