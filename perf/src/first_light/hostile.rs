//! Peers that mean no good: 1,000 that announce 100 MB each and fall silent, thousands that send anything.

use std::time::Duration;

use super::junk;
use crate::broker::Millrace;
use crate::client::{Connection, NewTopic, Produce, answers_versions, create_topics};
use crate::clock;
use crate::error::ClientError;
use crate::measure::{Latencies, Table, Verdict};
use crate::probe::Pace;
use crate::suite::Rig;
use crate::suite::{VALUE_BYTES, one_record_each};

const SILENT_PEERS: usize = 1000;
/// Below Kafka's `socket.request.max.bytes`, so a broker has to take it seriously.
const ANNOUNCED_BYTES: i32 = 100_000_000;
const HONEST_EVERY: Duration = Duration::from_millis(2);
const HONEST_SLICES: u32 = 3;
/// How much slower the honest client may get, and how slow without anybody noticing.
const SLOWER_LIMIT: f64 = 2.0;
const UNNOTICED: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));
const JUNK_CONNECTIONS: (usize, usize) = (3000, 600);
const JUNK_SEED: u64 = 20_261_121;
const ALIVE_WITHIN: Duration = Duration::from_secs(5);
const TOPIC: &str = "honest";

pub(crate) fn take(rig: &mut Rig) -> Result<(), ClientError> {
    let broker = Millrace::start(&rig.settings("hostile")?)?;
    let mut connection = Connection::open(broker.address)?;
    create_topics(&mut connection, &[NewTopic::new(TOPIC, 1)])?;
    let mut honest = Produce::new(broker.address, one_record_each(TOPIC, 1, VALUE_BYTES)?)?;
    let length = rig.slice * HONEST_SLICES;
    let mut run =
        || Pace::Every(HONEST_EVERY).run(length, || honest.once()).map(|taken| Latencies::of(&taken));
    let warm_up = run()?;
    let before = run()?;
    let begun = clock::now();
    let peers = (0..SILENT_PEERS).map(|_| announce(&broker)).collect::<Result<Vec<_>, _>>()?;
    let opened = clock::now() - begun;
    let during = run()?;
    let memory = broker.process().memory_peak()?;
    drop(peers);
    let mut table = Table::of_latencies();
    table.latencies("honest client, first seconds", &warm_up);
    table.latencies("honest client, alone", &before);
    table.latencies("honest client, beside 1,000 silent peers", &during);
    rig.report.table(&table);
    rig.report.note(&format!("the peers were connected in {:.0} ms", opened.as_secs_f64() * 1e3));
    let unnoticed = rig.scale.pick(UNNOTICED.0, UNNOTICED.1);
    let name = "honest p99 beside silent peers";
    rig.report.slowed_at_most(name, (&before, &during), SLOWER_LIMIT, unnoticed);
    let budget = broker.settings.memory_limit_megabytes();
    rig.report.at_most("peak memory beside silent peers", memory as f64 / 1e6, budget, " MB");
    any_bytes(rig, &broker)?;
    let after = honest.once();
    let verdict = Verdict::of(after.is_ok() && broker.process().is_alive());
    rig.report.verdict(
        "the honest connection after all that",
        verdict,
        "served",
        "served by the same process",
    );
    if after.is_err() {
        rig.report.note(&broker.log_tail());
    }
    broker.kill()
}

fn announce(broker: &Millrace) -> Result<Connection, ClientError> {
    let mut connection = Connection::open(broker.address)?;
    connection.send_bytes(&ANNOUNCED_BYTES.to_be_bytes())?;
    Ok(connection)
}

fn any_bytes(rig: &mut Rig, broker: &Millrace) -> Result<(), ClientError> {
    let connections = rig.scale.pick(JUNK_CONNECTIONS.0, JUNK_CONNECTIONS.1);
    let begun = clock::now();
    let outcome = junk::send(broker.address, connections, JUNK_SEED)?;
    let seconds = (clock::now() - begun).as_secs_f64();
    let value = format!(
        "{} answered, {} closed, {} left waiting in {seconds:.1} s",
        outcome.answered, outcome.closed, outcome.silent
    );
    if let Some(example) = &outcome.example {
        rig.report.note(&format!("left waiting: {example}"));
    }
    let verdict = Verdict::of(outcome.silent == 0);
    let name = format!("{connections} connections of any bytes, seed {JUNK_SEED}");
    rig.report.verdict(&name, verdict, &value, "none left waiting");
    let alive = answers_versions(broker.address, ALIVE_WITHIN);
    let shown = alive.as_ref().map_or_else(ToString::to_string, |()| "it answers".to_owned());
    let verdict = Verdict::of(alive.is_ok() && broker.process().is_alive());
    rig.report.verdict("the broker after any bytes", verdict, &shown, "alive");
    if !broker.process().is_alive() {
        rig.report.note(&broker.log_tail());
    }
    Ok(())
}
