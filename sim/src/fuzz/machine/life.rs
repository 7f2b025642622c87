//! One life of a broker after another, each with its share of the frames and the laws that hold for every one
//! of them.

use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use millrace_rt::world::{NodeId, World, WorldOptions};
use millrace_wire::ApiKey;

use super::desk::{Desk, Fate, Finished};
use super::sender::{Sender, hex};
use super::stock::Stock;
use super::tally::FrameTally;
use crate::broker::boot::{BROKER, PORT, boot, config};
use crate::chance::Chance;
use crate::fuzz::meter;
use crate::progress::under_way;

/// A broker begins anew after so many: what frames have made of it goes with it.
pub const LIFE_FRAMES: u64 = 5_000;
/// Virtual time.
const START_WITHIN: Duration = Duration::from_secs(60);
const FRAME_WITHIN: Duration = Duration::from_secs(300);

/// Lives under one seed.
pub struct FrameRun {
    seed: u64,
    stock: Rc<Stock>,
}

/// Bytes that a broker may hold for a frame, beside twice its length.
const FIXED_BYTES: i64 = 64 * 1024;
/// The simulated client has the frame once, and the network once.
const COPIES: i64 = 2;
/// A connection of its own: a frame behind one that was closed comes on a new one, with tasks that read and
/// write, and its two ends in the simulated network.
const CONNECTION_BYTES: i64 = 32 * 1024;
/// The same for each byte of the answer: a message, its encoding,
/// and what the simulated network and peer hold of it.
const PER_ANSWER_BYTE: i64 = 16;

/// A frame that breaks the law is sent again so often: a table of the engine or of the simulated machine that
/// was just then moved to a larger place, or a first use, does not repeat itself.
const TRIES_MAX: u32 = 2;

/// The windows and tables of a decompressor, of which a shard has one at a time:
/// LZ4 takes two blocks of 4 MiB.
const DECOMPRESSOR_BYTES: i64 = 12 << 20;
/// Partitions that a request plans, as many as one may at most, and which it may only have wanted validated.
const PLANNED_BYTES: i64 = 4 << 20;

/// Pages that are read, and what is written on its way through journal and simulated disk.
const WORK_BYTES: i64 = 256 << 10;

/// What a request that was answered may take for its work, whatever its length.
/// For others the law holds as it stands.
fn work_bytes(finished: &Finished) -> i64 {
    if !matches!(finished.fate, Fate::Answered | Fate::Silent) {
        return 0;
    }
    let key = finished.frame.first_chunk().map(|key| i16::from_be_bytes(*key));
    match key.and_then(ApiKey::from_i16) {
        Some(ApiKey::Produce) => DECOMPRESSOR_BYTES,
        Some(ApiKey::CreateTopics | ApiKey::CreatePartitions) => PLANNED_BYTES,
        _ => WORK_BYTES,
    }
}

/// Memory before, during and after one frame, in bytes.
#[derive(Debug, Clone, Copy)]
struct Held {
    heap_before: i64,
    heap_peak: i64,
    heap_after: i64,
    blocks_before: i64,
    blocks_peak: i64,
}

impl Held {
    /// What was held for the frame beyond twice its length, the answer's part, and what stays:
    /// topics and records are meant to.
    fn beyond(self, finished: &Finished) -> i64 {
        let stays = (self.heap_after - self.heap_before).max(0);
        let held = self.heap_peak - self.heap_before - stays + self.blocks_peak - self.blocks_before;
        held - CONNECTION_BYTES
            - (2 + COPIES) * finished.frame.len() as i64
            - PER_ANSWER_BYTE * finished.answer_bytes as i64
    }
}

impl FrameRun {
    pub fn new(seed: u64) -> FrameRun {
        assert!(
            meter::counts(),
            "memory is not counted; name `CountingAllocator` as the program's allocator"
        );
        FrameRun { seed, stock: Rc::new(Stock::new()) }
    }

    /// One life of so many frames; an error names the law that was broken, and by which frame.
    pub fn life(&self, number: u64, frames: u64) -> Result<FrameTally, String> {
        under_way(format!("--frames --seed {} --case {number}", self.seed));
        let seed = self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number;
        let mut world = World::new(seed, WorldOptions::default());
        let broker = world.add_node(BROKER);
        let clients = world.add_node(Ipv4Addr::new(10, 0, 0, 2));
        let booted = boot(&mut world, broker, &config(""), 1, None)?;
        let (ready, starting) = (booted.context.ready(), Rc::clone(&booted));
        world.run_until(START_WITHIN, move || ready.is_open() || starting.has_failed());
        if let Some(reason) = booted.failure() {
            return Err(reason);
        }
        let desk = Rc::new(Desk::default());
        let (stock, shared) = (Rc::clone(&self.stock), Rc::clone(&desk));
        world.start(clients, 1, move |_| {
            let broker = SocketAddr::from((BROKER, PORT));
            let (stock, desk) = (Rc::clone(&stock), Rc::clone(&shared));
            Sender { broker, stock, desk, chance: Chance::new(seed ^ 0xf4a3e5), frames, whole: 0 }.run()
        });
        let mut tally = FrameTally::default();
        let mut tries = 0;
        loop {
            let before = mark(&mut world, broker);
            if !world.run_until(FRAME_WITHIN, || desk.has_news()) {
                return Err(format!("nothing comes of a frame behind {tally:?}"));
            }
            if let Some(violation) = desk.violation() {
                return Err(violation);
            }
            if let Some(reason) = world.end_reason(broker) {
                return Err(format!("the broker ended itself: {reason}"));
            }
            match desk.take() {
                Some(finished) => match judge(held(&world, broker, before), &finished) {
                    Ok(beyond) => {
                        tries = 0;
                        tally.count(finished.fate, beyond);
                    }
                    Err(_) if tries < TRIES_MAX => {
                        tries += 1;
                        tally.count(finished.fate, 0);
                        desk.ask_again();
                    }
                    Err(what) => return Err(what),
                },
                None if desk.has_ended() => return Ok(tally),
                None => {}
            }
        }
    }
}

/// What is in use before a frame comes: heap and blocks.
fn mark(world: &mut World, broker: NodeId) -> (i64, i64) {
    (millrace_rt::mark_peak().in_use_bytes, world.mark_block_peak(broker) as i64)
}

fn held(world: &World, broker: NodeId, (heap_before, blocks_before): (i64, i64)) -> Held {
    let heap = millrace_rt::allocations();
    Held {
        heap_before,
        heap_peak: heap.peak_bytes,
        heap_after: heap.in_use_bytes,
        blocks_before,
        blocks_peak: world.block_peak(broker) as i64,
    }
}

/// Bytes beyond the law's part that goes with the frame.
fn judge(held: Held, finished: &Finished) -> Result<i64, String> {
    let beyond = held.beyond(finished);
    let work = work_bytes(finished);
    if beyond > FIXED_BYTES + work {
        let allowed = FIXED_BYTES + work;
        let frame = hex(&finished.frame);
        let fate = finished.fate;
        return Err(format!(
            "{beyond} bytes beyond twice the frame, which was {fate:?}, at most {allowed} are allowed: {frame}"
        ));
    }
    Ok(beyond - work)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(held: Held, fate: Fate, answer_bytes: usize, expected: Result<i64, &str>) {
        let finished = Finished { frame: vec![0x7f; 1000].into(), fate, answer_bytes };
        match (judge(held, &finished), expected) {
            (Ok(beyond), Ok(expected)) => assert_eq!(beyond, expected),
            (Err(what), Err(expected)) => assert!(what.contains(expected), "{what}"),
            (said, expected) => panic!("{said:?}, not {expected:?}"),
        }
    }

    #[test]
    fn memory_for_a_frame_has_its_bound() {
        let held = Held { heap_before: 0, heap_peak: 0, heap_after: 0, blocks_before: 0, blocks_peak: 0 };
        let fixed = FIXED_BYTES + CONNECTION_BYTES;
        check(Held { heap_peak: 4_000 + fixed, ..held }, Fate::Closed, 0, Ok(FIXED_BYTES));
        check(Held { heap_peak: 4_001 + fixed, ..held }, Fate::Closed, 0, Err("bytes beyond twice"));
        check(Held { blocks_peak: 4_001 + fixed, ..held }, Fate::Half, 0, Err("bytes beyond twice"));
        check(
            Held { heap_peak: 9_000_000, heap_after: 9_000_000, ..held },
            Fate::Closed,
            0,
            Ok(-4_000 - CONNECTION_BYTES),
        );
        let answered = fixed + WORK_BYTES;
        check(Held { heap_peak: 8_000 + answered, ..held }, Fate::Answered, 250, Ok(FIXED_BYTES));
        check(Held { heap_peak: 8_001 + answered, ..held }, Fate::Answered, 250, Err("bytes beyond twice"));
    }
}
