//! What groups and their members keep in memory:
//! resident memory of the process before and after thousands came.

use std::time::Duration;

use super::crowd::Crowd;
use super::population::{self, Desk};
use crate::broker::{Millrace, Process};
use crate::clock;
use crate::error::ClientError;
use crate::measure::{Cell, Table};
use crate::suite::Rig;

/// Full, and in the quick run.
const GROUPS: (usize, usize) = (10_000, 2_000);
const GROUP_KIB: f64 = 2.0;
/// Members of each batch.
const MEMBERS: (usize, usize) = (3_500, 500);
const MEMBERS_EACH: usize = 10;
const MEMBER_KIB: f64 = 1.0;
/// Until what a load left is written, and its memory given back.
const SETTLE: Duration = Duration::from_secs(3);
/// Commits of as many groups again and again fill what the log itself keeps in memory.
const TURNS: usize = 200;

pub(super) fn take(rig: &mut Rig) -> Result<(), ClientError> {
    let mut table = Table::new(&["MB resident", "before", "after", "objects", "KiB each"]);
    let group = of_groups(rig, &mut table)?;
    let member = of_members(rig, &mut table)?;
    rig.report.table(&table);
    rig.report.at_most("memory of an idle group with an offset", group, GROUP_KIB, " KiB");
    rig.report.at_most("memory of a member", member, MEMBER_KIB, " KiB");
    Ok(())
}

/// KiB of each of many groups that have committed an offset.
fn of_groups(rig: &Rig, table: &mut Table) -> Result<f64, ClientError> {
    let (broker, mut desk) = filled(rig)?;
    let groups = population::named("group", rig.scale.pick(GROUPS.0, GROUPS.1));
    let before = settled(broker.process())?;
    desk.commit(&groups, 1)?;
    let after = settled(broker.process())?;
    broker.kill()?;
    Ok(row(table, "groups", (before, after), groups.len()))
}

/// A broker whose log keeps as much of its tail in memory as it will.
fn filled(rig: &Rig) -> Result<(Millrace, Desk), ClientError> {
    let broker = population::start(&rig.settings("memory")?, 1)?;
    let mut desk = Desk::open(broker.address)?;
    let groups = population::one_in_each(&population::named("fill", GROUPS.1));
    for _ in 0..TURNS {
        desk.commit(&groups, 1)?;
    }
    Ok((broker, desk))
}

/// KiB of each member of the second of two batches of groups: the first one leaves behind what a broker needs
/// while thousands join at once, which the second one uses again.
fn of_members(rig: &Rig, table: &mut Table) -> Result<f64, ClientError> {
    let (broker, _) = filled(rig)?;
    let groups = rig.scale.pick(MEMBERS.0, MEMBERS.1) / MEMBERS_EACH;
    let connect = |prefix| Crowd::connect(broker.address, &population::named(prefix, groups), MEMBERS_EACH);
    // All connections are there, and have been used, before memory is looked at.
    let (mut first, mut second) = (connect("first")?, connect("second")?);
    first.join()?;
    first.sync()?;
    let before = settled(broker.process())?;
    second.join()?;
    second.sync()?;
    let after = settled(broker.process())?;
    // Nobody left meanwhile.
    first.beat()?;
    second.beat()?;
    broker.kill()?;
    Ok(row(table, "members", (before, after), second.len()))
}

fn row(table: &mut Table, name: &'static str, (before, after): (u64, u64), objects: usize) -> f64 {
    let each = after.saturating_sub(before) as f64 / objects as f64 / 1024.0;
    let memory = [before, after].map(|bytes| Cell::Number(bytes as f64 / 1e6, 2));
    let [before, after] = memory;
    table.row(vec![name.into(), before, after, Cell::Number(objects as f64, 0), Cell::Number(each, 2)]);
    each
}

fn settled(process: Process) -> Result<u64, ClientError> {
    clock::sleep(SETTLE);
    Ok(process.memory()?.all)
}
