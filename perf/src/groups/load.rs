//! The state of many groups read back from the log: how long after `kill -9` until every coordinator serves,
//! and whether all offsets are there.

use super::population::{self, Desk, OFFSETS_PARTITIONS};
use crate::broker::Millrace;
use crate::client::{Connection, committed_frame, still_loading};
use crate::clock;
use crate::disk;
use crate::error::ClientError;
use crate::measure::{Cell, Table, Verdict, megabytes, millis};
use crate::suite::Rig;

/// Full, and in the quick run.
const GROUPS: (usize, usize) = (10_000, 2_000);
/// Offsets of each.
const PARTITIONS: i32 = 10;
/// From the start of the process.
const LOADED_SECONDS: (f64, f64) = (1.0, 10.0);

pub(super) fn take(rig: &mut Rig) -> Result<(), ClientError> {
    let broker = population::start(&rig.settings("load")?, PARTITIONS)?;
    let groups = population::named("group", rig.scale.pick(GROUPS.0, GROUPS.1));
    let begun = clock::now();
    Desk::open(broker.address)?.commit(&groups, PARTITIONS)?;
    let committed = clock::now() - begun;
    let settings = broker.settings.clone();
    broker.kill()?;
    disk::evict(&settings.data_dir())?;

    let broker = Millrace::start(&settings)?;
    let answers = clock::now();
    let mut connection = Connection::open(broker.address)?;
    let asked = population::one_in_each(&groups);
    let mut loading = asked.iter().map(|group| committed_frame(group)).collect::<Result<Vec<_>, _>>()?;
    // Without a pause: the answers themselves take a while, and a pause would count as the broker's time.
    while !loading.is_empty() {
        loading = still_loading(&mut connection, loading)?;
    }
    let loaded = broker.started_in + (clock::now() - answers);
    let read = broker.process().read_bytes()?;
    let begun = clock::now();
    let right = Desk::open(broker.address)?.count(&groups, PARTITIONS)?;
    let counted = clock::now() - begun;

    let mut table = Table::new(&["from the start of the process", "ms", "MB read"]);
    table.row(vec!["ApiVersions answered".into(), millis(broker.started_in), Cell::Absent]);
    table.row(vec!["all coordinators serve".into(), millis(loaded), megabytes(read)]);
    rig.report.table(&table);
    let offsets = groups.len() * PARTITIONS as usize;
    rig.report.note(&format!(
        "{} groups committed {offsets} offsets in {:.0} ms; all were asked for in {:.0} ms",
        groups.len(),
        committed.as_secs_f64() * 1e3,
        counted.as_secs_f64() * 1e3
    ));
    let name = format!("all {} partitions of __consumer_offsets serve after kill -9", asked.len());
    let limit = rig.scale.pick(LOADED_SECONDS.0, LOADED_SECONDS.1);
    rig.report.at_most(&name, loaded.as_secs_f64(), limit, " s");
    let verdict = Verdict::of(asked.len() == OFFSETS_PARTITIONS as usize && right == offsets);
    let (value, limit) = (format!("{right} of {offsets}"), "all".to_owned());
    rig.report.verdict("offsets as they were committed", verdict, &value, &limit);
    broker.kill()
}
