//! The time of a `process` answer beside a ping-pong whose two ends run where client and shard do.
//!
//! A message to a thread on the same processor and back costs a tenth of one to another processor on a
//! virtual machine. A shard has its processor; left to the scheduler, client and probe each land where they
//! will, and the ratio says which was luckier.

use super::turns::{Subject, TURNS, add, ratio};
use crate::error::ClientError;
use crate::measure::{Latencies, Table};
use crate::probe::PingPong;
use crate::seat::{Seated, seats};
use crate::suite::{Contender, MILLRACE_PROCESS, PROCESS, Rig, VALUE_BYTES};

/// Of the median.
const LIMIT: f64 = 4.0;

/// Where the client runs, and what it saw there.
struct Place {
    name: &'static str,
    client: usize,
    shard: usize,
    probe: PingPong,
    answers: Subject,
    loopback: Vec<Latencies>,
}

impl Place {
    fn turn(&mut self, rig: &Rig, round: usize) -> Result<(), ClientError> {
        let _seated = Seated::on(self.client)?;
        let length = rig.slice / TURNS;
        let pace = self.answers.turn(round, length)?;
        let taken = pace.run(length, || self.probe.once())?;
        add(&mut self.loopback, round, &taken);
        Ok(())
    }
}

/// Of a broker with one shard.
pub(super) fn take(rig: &mut Rig, contender: &Contender) -> Result<(), ClientError> {
    let mut places = places(contender)?;
    for round in (0..rig.rounds).flat_map(|round| (0..TURNS).map(move |_| round)) {
        for place in &mut places {
            place.turn(rig, round)?;
        }
    }
    let mut table = Table::of_latencies();
    for place in &places {
        let Place { name, client, shard, .. } = place;
        let row = format!("{MILLRACE_PROCESS}, client on {client}, shard on {shard}");
        table.latencies(&row, &Latencies::merged(&place.answers.rounds));
        table.latencies("  ping-pong there, same pace", &Latencies::merged(&place.loopback));
        let verdict = format!("process p50 to the ping-pong, {name}");
        ratio(&mut rig.report, &verdict, &place.answers.rounds, &place.loopback, LIMIT);
    }
    rig.report.table(&table);
    Ok(())
}

/// The shard's processor, and another one where the machine has one.
fn places(contender: &Contender) -> Result<Vec<Place>, ClientError> {
    let shards = contender.process.bound_threads();
    let Some(&shard) = shards.first() else {
        return Err(ClientError::Usage("no thread of the broker has a processor of its own".to_owned()));
    };
    let other = seats()?.into_iter().find(|cpu| !shards.contains(cpu));
    let names = [("on the shard's processor", Some(shard)), ("on another processor", other)];
    let place = |(name, client): (&'static str, Option<usize>)| {
        let client = client?;
        Some(Place::new(contender, name, client, shard))
    };
    names.into_iter().filter_map(place).collect()
}

impl Place {
    fn new(
        contender: &Contender,
        name: &'static str,
        client: usize,
        shard: usize,
    ) -> Result<Place, ClientError> {
        let topic = format!("one-client-on-{client}");
        Ok(Place {
            name,
            client,
            shard,
            probe: PingPong::with_echo_on(shard)?,
            answers: Subject::new(
                &Contender { configs: PROCESS, ..contender.clone() },
                &topic,
                1,
                VALUE_BYTES,
            )?,
            loopback: Vec::new(),
        })
    }
}
