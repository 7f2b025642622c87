//! A large log in many partitions: how long after `kill -9` and after a clean stop until the broker answers,
//! and how much it reads for that.

use crate::broker::{Millrace, MillraceSettings};
use crate::client::{Connection, log_ends};
use crate::disk;
use crate::error::ClientError;
use crate::measure::{Cell, Table, Verdict, megabytes, millis};
use crate::suite::{Contender, POWER, Rig, Topic, VALUE_BYTES};

const PARTITIONS: i32 = 1000;
/// Of values: full, and in the quick run.
const BYTES: (u64, u64) = (10_000_000_000, 1_000_000_000);
/// Of the values' bytes, which the disk must have room for: batches, indexes, journal,
/// preallocated ends of segments.
const ROOM: f64 = 1.5;
const AFTER_KILL_SECONDS: (f64, f64) = (3.0, 6.0);
const AFTER_STOP_SECONDS: (f64, f64) = (1.0, 2.0);
/// What a start may read besides journals and checkpoints.
const FURTHER_READS_BYTES: u64 = 64 * 1024 * 1024;
const TOPIC: &str = "large";

pub(super) fn take(rig: &mut Rig) -> Result<(), ClientError> {
    let bytes = rig.scale.pick(BYTES.0, BYTES.1);
    let (free, needed) = (disk::free_bytes(&rig.dir)?, (bytes as f64 * ROOM) as u64);
    if free < needed {
        let text = format!("the disk has {} MB, {} MB are needed", free / 1_000_000, needed / 1_000_000);
        return Err(ClientError::Usage(text));
    }
    let broker = Millrace::start(&rig.settings("restart")?)?;
    let settings = broker.settings.clone();
    let contender = Contender::of(&broker, "millrace", POWER);
    contender.create(TOPIC, PARTITIONS)?;
    let topic = Topic::new(&contender, TOPIC, PARTITIONS);
    // Requests are in flight when it ends.
    let acknowledged = topic.fill_and(bytes, || broker.kill())?;
    let mut table = Table::new(&["restart", "ms", "MB read", "MB journals and checkpoints"]);
    let name = format!("after kill -9, {PARTITIONS} partitions");
    let (again, killed) = restart(&settings, &name, &mut table)?;
    let ends = log_ends(&mut Connection::open(again.address)?, &[(TOPIC, PARTITIONS)])?;
    let records: u64 = ends.iter().filter_map(|end| u64::try_from(*end).ok()).sum();
    let stopped = again.stop()?;
    let (clean, closed) = restart(&settings, "after a clean stop", &mut table)?;
    rig.report.table(&table);
    rig.report.note(&format!("the clean stop took {:.0} ms", stopped.as_secs_f64() * 1e3));
    let acknowledged = acknowledged / VALUE_BYTES as u64;
    let verdict = Verdict::of(records >= acknowledged);
    let limit = format!("at least the {acknowledged} acknowledged");
    rig.report.verdict("records after kill -9", verdict, &records.to_string(), &limit);
    let limits = [AFTER_KILL_SECONDS, AFTER_STOP_SECONDS].map(|limit| rig.scale.pick(limit.0, limit.1));
    for (name, start, limit) in [("kill -9", killed, limits[0]), ("a clean stop", closed, limits[1])] {
        rig.report.at_most(&format!("restart after {name}"), start.seconds, limit, " s");
        let allowed = (start.journals + FURTHER_READS_BYTES) as f64 / 1e6;
        rig.report.at_most(
            &format!("bytes read by it, after {name}"),
            start.read as f64 / 1e6,
            allowed,
            " MB",
        );
    }
    clean.kill()
}

/// What a start took.
#[derive(Debug, Clone, Copy)]
struct Start {
    seconds: f64,
    read: u64,
    journals: u64,
}

/// Starts on the same directory, of which the page cache holds nothing.
fn restart(
    settings: &MillraceSettings,
    name: &str,
    table: &mut Table,
) -> Result<(Millrace, Start), ClientError> {
    let journals = disk::allocated_bytes(&settings.data_dir().join("journal"), "");
    disk::evict(&settings.data_dir())?;
    let broker = Millrace::start(settings)?;
    let read = broker.process().read_bytes()?;
    let row: Vec<Cell> = vec![name.into(), millis(broker.started_in), megabytes(read), megabytes(journals)];
    table.row(row);
    let seconds = broker.started_in.as_secs_f64();
    Ok((broker, Start { seconds, read, journals }))
}
