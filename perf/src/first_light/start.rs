//! How fast a broker starts, what it needs when it rests, and how fast it is back after `kill -9` under load.

use std::thread;
use std::time::Duration;

use crate::broker::{Millrace, Process};
use crate::client::{Connection, NewTopic, Pipeline, create_topics, produce_frame};
use crate::clock;
use crate::error::ClientError;
use crate::measure::{Cell, Table, megabytes, millis};
use crate::suite::{BATCH_RECORDS, batch};
use crate::suite::{Rig, Scale};

const STARTS: usize = 9;
const REST_BEFORE_MEMORY: Duration = Duration::from_secs(2);
const REST_OF_CPU: Duration = Duration::from_secs(5);
const LOAD: Duration = Duration::from_secs(2);
const LOAD_PARTITIONS: i32 = 6;
const LOAD_IN_FLIGHT: usize = 8;

/// Seconds. A quick run looks for a start that hangs or reads everything;
/// its machine's disk may be anybody's.
fn start_limit(scale: Scale) -> f64 {
    scale.pick(0.1, 2.0)
}

fn restart_limit(scale: Scale) -> f64 {
    scale.pick(0.5, 10.0)
}

/// 40 MB.
const MEMORY_LIMIT_BYTES: f64 = 40e6;
/// Of one processor: "about 0".
const REST_CPU_LIMIT_PERCENT: f64 = 1.0;

pub(crate) fn take(rig: &mut Rig) -> Result<(), ClientError> {
    let mut starts = Vec::new();
    let mut table = Table::new(&["start", "ms"]);
    for number in 1..STARTS {
        let broker = Millrace::start(&rig.settings("start")?)?;
        table.row(vec![format!("empty {number}").as_str().into(), millis(broker.started_in)]);
        starts.push(broker.started_in);
        broker.kill()?;
    }
    let broker = Millrace::start(&rig.settings("start")?)?;
    table.row(vec![format!("empty {STARTS}").as_str().into(), millis(broker.started_in)]);
    starts.push(broker.started_in);
    starts.sort();
    rest(rig, broker.process())?;
    let (settings, acknowledged) = (broker.settings.clone(), load_and_kill(broker)?);
    let again = Millrace::start(&settings)?;
    let restart = again.started_in;
    let name = format!("after kill -9 under load ({:.0} MB)", acknowledged as f64 / 1e6);
    table.row(vec![name.as_str().into(), millis(restart)]);
    let stopped = again.stop()?;
    table.row(vec!["clean stop".into(), millis(stopped)]);
    let clean = Millrace::start(&settings)?;
    table.row(vec!["after a clean stop".into(), millis(clean.started_in)]);
    rig.report.table(&table);
    let median = starts[STARTS / 2].as_secs_f64();
    rig.report.at_most("empty start, median", median, start_limit(rig.scale), " s");
    rig.report.at_most(
        "restart after kill -9 with load",
        restart.as_secs_f64(),
        restart_limit(rig.scale),
        " s",
    );
    clean.kill()
}

/// Memory and processor time of a broker that nobody asks anything.
fn rest(rig: &mut Rig, process: Process) -> Result<(), ClientError> {
    clock::sleep(REST_BEFORE_MEMORY);
    let memory = process.memory()?;
    let mut table = Table::new(&["MB at rest", "all", "own pages", "files", "shared (journal ring)"]);
    let cells = [memory.all, memory.anonymous, memory.files, memory.shared].map(megabytes);
    table.row([vec![Cell::from("millrace")], cells.to_vec()].concat());
    rig.report.table(&table);
    rig.report.at_most("memory at rest", memory.all as f64 / 1e6, MEMORY_LIMIT_BYTES / 1e6, " MB");
    let length = rig.scale.pick(REST_OF_CPU, REST_BEFORE_MEMORY);
    let before = process.run_time();
    clock::sleep(length);
    let used = process.run_time().saturating_sub(before);
    let percent = used.as_secs_f64() / length.as_secs_f64() * 100.0;
    rig.report.at_most("processor at rest", percent, REST_CPU_LIMIT_PERCENT, " %");
    Ok(())
}

/// Ends the broker while requests are in flight: how many bytes of values it had acknowledged.
fn load_and_kill(broker: Millrace) -> Result<u64, ClientError> {
    let topic = "load";
    let mut connection = Connection::open(broker.address)?;
    create_topics(&mut connection, &[NewTopic::new(topic, LOAD_PARTITIONS)])?;
    let frame = |partition| produce_frame(topic, &[(partition, batch(BATCH_RECORDS, 1))]);
    let frames = (0..LOAD_PARTITIONS).map(frame).collect::<Result<Vec<_>, _>>()?;
    let mut pipeline = Pipeline::new(broker.address, frames, LOAD_IN_FLIGHT)?;
    let loader = thread::Builder::new().spawn(move || {
        let mut acknowledged = 0;
        // It ends with the error of the broker's end.
        while pipeline.step().is_ok() {
            acknowledged += (BATCH_RECORDS * crate::suite::VALUE_BYTES) as u64;
        }
        acknowledged
    });
    let loader = loader.map_err(ClientError::io("starting a thread"))?;
    clock::sleep(LOAD);
    broker.kill()?;
    loader.join().map_err(|_| ClientError::Usage("the loading thread panicked".to_owned()))
}
