//! Whether acknowledged bytes are on the device: its flush counter, and how journal and segments are opened.

use std::time::Duration;

use crate::broker::{Descriptor, Millrace, Process};
use crate::client::{Pipeline, Produce, produce_frame};
use crate::clock;
use crate::error::ClientError;
use crate::measure::{Cell, FlushCounter, Table, Verdict, millis};
use crate::suite::{BATCH_RECORDS, VALUE_BYTES, batch, one_record_each};
use crate::suite::{Contender, POWER, PROCESS, Rig};

const COMMITS: usize = 200;
/// Until the broker writes segments: several flushes' worth.
const SEGMENT_LOAD_REQUESTS: usize = 600;
const SEGMENT_LOAD_IN_FLIGHT: usize = 8;
/// Between two looks at the broker's descriptors.
const LOOK_EVERY_REQUESTS: usize = 20;

pub(crate) fn take(rig: &mut Rig) -> Result<(), ClientError> {
    let broker = Millrace::start(&rig.settings("hardening")?)?;
    flushes(rig, &broker)?;
    descriptors(rig, &broker)
}

/// The counter before and after durable commits, beside what the device is asked by others in the same time.
fn flushes(rig: &mut Rig, broker: &Millrace) -> Result<(), ClientError> {
    let name = format!("device flushes for {COMMITS} durable commits");
    let Some(counter) = FlushCounter::of(&rig.dir)? else {
        rig.report.note(&format!("{name}: the device does not report them"));
        return Ok(());
    };
    let mut table = Table::new(&["device flushes", "count", "ms"]);
    let mut seen = Vec::new();
    for (name, configs) in [("power", POWER), ("process", PROCESS)] {
        let contender = Contender::of(broker, name, configs);
        contender.create(name, 1)?;
        let mut produce = Produce::new(broker.address, one_record_each(name, 1, VALUE_BYTES)?)?;
        let (before, begun) = (counter.read().unwrap_or_default(), clock::now());
        for _ in 0..COMMITS {
            produce.once()?;
        }
        let count = counter.read().unwrap_or_default() - before;
        seen.push(count);
        let label = format!("{COMMITS} commits of {name}");
        table.row(vec![Cell::Text(label), Cell::Number(count as f64, 0), millis(clock::now() - begun)]);
    }
    let (before, length) = (counter.read().unwrap_or_default(), Duration::from_millis(500));
    clock::sleep(length);
    let idle = counter.read().unwrap_or_default() - before;
    table.row(vec!["no commits".into(), Cell::Number(idle as f64, 0), millis(length)]);
    rig.report.table(&table);
    let count = seen.first().copied().unwrap_or_default() as f64;
    rig.report.at_least(&name, count, COMMITS as f64, "");
    Ok(())
}

/// Looks while segments are written: their files may be closed when nothing is.
fn descriptors(rig: &mut Rig, broker: &Millrace) -> Result<(), ClientError> {
    Contender::of(broker, "segments", POWER).create("segments", 1)?;
    let frame = produce_frame("segments", &[(0, batch(BATCH_RECORDS, 7))])?;
    let mut pipeline = Pipeline::new(broker.address, vec![frame], SEGMENT_LOAD_IN_FLIGHT)?;
    let (mut journals, mut segments) = (Seen::default(), Seen::default());
    for request in 0..SEGMENT_LOAD_REQUESTS {
        pipeline.step()?;
        if request % LOOK_EVERY_REQUESTS == 0 {
            look(broker.process(), &mut journals, &mut segments);
        }
    }
    pipeline.finish()?;
    look(broker.process(), &mut journals, &mut segments);
    rig.report.verdict("journal descriptors with O_DIRECT", journals.verdict(), &journals.show(), "all");
    rig.report.verdict("segment descriptors with O_DIRECT", segments.verdict(), &segments.show(), "all");
    Ok(())
}

/// Descriptors of one kind that were open at any look.
#[derive(Default)]
struct Seen {
    looks: usize,
    direct: usize,
    buffered: Vec<String>,
}

impl Seen {
    fn add(&mut self, descriptor: &Descriptor) {
        self.looks += 1;
        if descriptor.is_direct() {
            self.direct += 1;
        } else {
            self.buffered.push(descriptor.path.display().to_string());
        }
    }

    fn verdict(&self) -> Verdict {
        Verdict::of(self.looks > 0 && self.direct == self.looks)
    }

    fn show(&self) -> String {
        let first = self.buffered.first().map(|path| format!(", without it {path}")).unwrap_or_default();
        format!("{} of {} sightings{first}", self.direct, self.looks)
    }
}

fn look(process: Process, journals: &mut Seen, segments: &mut Seen) {
    for descriptor in process.descriptors() {
        let name = descriptor.path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        let in_journal = descriptor.path.components().any(|part| part.as_os_str() == "journal");
        if in_journal && name.starts_with("slot-") {
            journals.add(&descriptor);
        } else if name.ends_with(".log") && name.starts_with(|first: char| first.is_ascii_digit()) {
            segments.add(&descriptor);
        }
    }
}
