//! The client: sends one frame after another and a request behind each,
//! whose answer says that the frame is done with.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use millrace_parity::SEED_TOPICS;
use millrace_rt::{Block, Stream, timeout};
use millrace_wire::ApiKey;
use millrace_wire::messages::find_coordinator_request::FindCoordinatorRequest;

use super::desk::{Desk, Fate, Finished};
use super::stock::{Made, Stock};
use crate::broker::client::Client;
use crate::broker::requests;
use crate::chance::Chance;
use crate::workload::Topic;
use millrace_core::base::{Durability, TopicId};

/// The request behind each frame: ApiVersions 0, with this correlation id.
const PROBE_ID: i32 = -77;
const PROBE: &[u8] = b"\x00\x00\x00\x0a\x00\x12\x00\x00\xff\xff\xff\xb3\xff\xff";
/// Virtual time after which a frame that may not wait was forgotten;
/// a quota that another frame has set may hold it for a while.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// Virtual time that frames may wait which ask for it.
const WAITING_FOR: Duration = Duration::from_millis(5);
/// Topics are made anew, where frames have deleted them, after so many frames.
const TOPICS_EVERY: u64 = 500;
/// The longest answer that is taken.
const ANSWER_BYTES_MAX: usize = 64 << 20;
const RECEIVE_BYTES: usize = 64 << 10;
/// One of so many frames is sent in part.
const HALVES: u64 = 40;

pub(super) struct Sender {
    pub(super) broker: SocketAddr,
    pub(super) stock: Rc<Stock>,
    pub(super) desk: Rc<Desk>,
    pub(super) chance: Chance,
    /// Whole ones that are to be sent, and that were.
    pub(super) frames: u64,
    pub(super) whole: u64,
}

/// A connection and what came of it that is not looked at yet.
struct Line {
    stream: Stream,
    received: Vec<u8>,
}

/// What comes next on a connection.
enum Arrived {
    /// From the correlation id on.
    Answer(Bytes),
    End,
}

impl Sender {
    /// Runs until all frames are sent.
    pub(super) async fn run(mut self) {
        let mut line: Option<Line> = None;
        let mut ids = Vec::new();
        let mut number = 0;
        let mut last: Option<Made> = None;
        while self.whole < self.frames {
            if number % TOPICS_EVERY == 0 {
                ids = self.topics().await;
            }
            let made = match last.take().filter(|_| self.desk.take_again()) {
                Some(made) => made,
                None => self.stock.frame(number as i32, &ids, &mut self.chance),
            };
            last = Some(made.clone());
            let open = match line.take() {
                Some(open) => open,
                None => match Stream::connect(self.broker).await {
                    Ok(stream) => Line { stream, received: Vec::new() },
                    Err(error) => return self.desk.violate(format!("no connection: {error}")),
                },
            };
            line = self.one(open, made).await;
            number += 1;
        }
        drop(line);
        self.desk.end();
    }

    /// Sends a frame; the connection comes back unless it ended.
    async fn one(&mut self, mut line: Line, made: Made) -> Option<Line> {
        let id = made.correlation_id;
        let may_wait = made.may_wait();
        if self.chance.one_in(HALVES) || made.is_short() {
            let half = self.chance.below(made.frame.len() as u64 + 1) as usize;
            // The broker may have closed before it read all.
            let _ = line.stream.send(vec![made.start(), made.frame.slice(..half)]).await;
            self.desk.put(Finished { frame: made.frame, fate: Fate::Half, answer_bytes: 0 });
            millrace_rt::sleep(Duration::from_micros(200)).await;
            return None;
        }
        let cut = self.chance.below(made.frame.len() as u64 + 1) as usize;
        let (first, rest) = (made.frame.slice(..cut), made.frame.slice(cut..));
        // As above: what was answered shows.
        let _ = line.stream.send(vec![made.start(), first]).await;
        let _ = line.stream.send(vec![rest, Bytes::from_static(PROBE)]).await;
        let patience = if may_wait { WAITING_FOR } else { ANSWER_WITHIN };
        let (fate, answer_bytes) = match timeout(patience, line.until_probe(id)).await {
            Some(Ok(ended)) => ended,
            Some(Err(what)) => {
                self.desk.violate(format!("{what}; the frame is {}", hex(&made.frame)));
                return None;
            }
            None if may_wait => (Fate::Waiting, 0),
            None => {
                self.desk.violate(format!("neither answer nor close: {}", hex(&made.frame)));
                return None;
            }
        };
        self.whole += 1;
        self.desk.put(Finished { frame: made.frame, fate, answer_bytes });
        // The run looks at it between two steps of the world.
        millrace_rt::sleep(Duration::from_micros(1)).await;
        matches!(fate, Fate::Answered | Fate::Silent).then_some(line)
    }

    /// Makes the topics that seeds name, and asks for their ids.
    async fn topics(&self) -> Vec<[u8; 16]> {
        let mut ids = Vec::new();
        let Ok(mut client) = Client::connect(self.broker).await else { return ids };
        // The first who asks for a coordinator makes the topic of all groups.
        let first = FindCoordinatorRequest { key: "group".into(), ..FindCoordinatorRequest::default() };
        let _ = client.ask(ApiKey::FindCoordinator, 0, |writer| first.encode(writer, 0)).await;
        for name in SEED_TOPICS {
            let topic = Topic { name, id: TopicId::ZERO, partitions: 3, durability: Durability::Process };
            // Frames may have taken the name for a topic of their own.
            let _ = requests::create_topic(&mut client, &topic).await;
            if let Ok(topic) = requests::topic_id(&mut client, name).await {
                ids.push(topic.id.0);
            }
        }
        ids
    }
}

impl Line {
    /// Takes answers until the probe's: how the frame ended, and how long its answer is.
    async fn until_probe(&mut self, id: i32) -> Result<(Fate, usize), String> {
        let mut answer_bytes = None;
        loop {
            let answer = match self.next().await? {
                Arrived::Answer(answer) => answer,
                // The request behind it is good.
                Arrived::End if answer_bytes.is_some() => {
                    return Err("the connection ended behind an answer".to_owned());
                }
                Arrived::End => return Ok((Fate::Closed, 0)),
            };
            match answer.first_chunk().map(|id| i32::from_be_bytes(*id)) {
                Some(PROBE_ID) => {
                    return Ok(match answer_bytes {
                        Some(bytes) => (Fate::Answered, bytes),
                        None => (Fate::Silent, 0),
                    });
                }
                Some(answered) if answered == id && answer_bytes.is_none() => {
                    answer_bytes = Some(answer.len());
                }
                other => return Err(format!("an answer to {other:?}, where {id} or the probe was due")),
            }
        }
    }

    async fn next(&mut self) -> Result<Arrived, String> {
        loop {
            if let Some(length) = self.received.first_chunk() {
                let length = usize::try_from(i32::from_be_bytes(*length)).unwrap_or(usize::MAX);
                if length > ANSWER_BYTES_MAX {
                    return Err(format!("an answer of {length} bytes"));
                }
                if self.received.len() >= 4 + length {
                    let rest = self.received.split_off(4 + length);
                    let frame = Bytes::from(std::mem::replace(&mut self.received, rest));
                    return Ok(Arrived::Answer(frame.slice(4..)));
                }
            }
            let (count, block) = self.stream.recv(Block::with_capacity(RECEIVE_BYTES), 0).await;
            match count {
                Ok(0) | Err(_) => return Ok(Arrived::End),
                Ok(count) => {
                    self.received.extend_from_slice(block.as_slice().get(..count).unwrap_or_default());
                }
            }
        }
    }
}

/// The frame for the report of a failure.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
