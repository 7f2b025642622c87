//! Sends the responses of one connection in request order, all that are ready in one send.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use millrace_rt::{ByteCharge, Stream};
use millrace_shard::{EgressCharge, Shard};

use crate::conn::responses::{
    DelayedResponse, FinishedResponse, InHand, Response, ResponseQueue, ResponseSlot, Sending,
};
use crate::metrics::timings::{Spent, Timings, Trace};

/// Responses are gathered up to this many bytes before they are sent. Beyond it one send more costs nothing.
const GATHER_BYTES_MAX: usize = 256 * 1024;

/// How a writer ended.
#[derive(Debug)]
pub(crate) enum WriterEnd {
    /// Every response was sent.
    Done,
    /// A request closed the connection.
    Closed,
    /// The peer took no more.
    Failed(io::Error),
}

/// Runs until no request comes any more, a response closes the connection, or a send fails.
pub(crate) async fn write_responses(
    stream: Rc<Stream>,
    responses: Rc<ResponseQueue>,
    timings: Rc<Timings>,
    shard: Shard,
) -> WriterEnd {
    let end = match Gather::new(timings, shard).run(&stream, &responses).await {
        Ok(end) => end,
        Err(error) => WriterEnd::Failed(error),
    };
    responses.end_of_responses();
    if !matches!(end, WriterEnd::Done) {
        // The reader may be waiting for bytes: it ends with the socket.
        stream.shutdown();
    }
    end
}

/// Responses that are ready and not yet sent.
struct Gather {
    pieces: Vec<Bytes>,
    bytes: usize,
    charges: Vec<Rc<ByteCharge>>,
    /// The memory for responses that the pieces hold.
    held: Vec<EgressCharge>,
    shard: Shard,
    traces: Vec<(Trace, Spent)>,
    timings: Rc<Timings>,
}

impl Gather {
    fn new(timings: Rc<Timings>, shard: Shard) -> Gather {
        Gather {
            pieces: Vec::new(),
            bytes: 0,
            charges: Vec::new(),
            held: Vec::new(),
            shard,
            traces: Vec::new(),
            timings,
        }
    }

    async fn run(mut self, stream: &Stream, responses: &ResponseQueue) -> io::Result<WriterEnd> {
        loop {
            let Some(pending) = responses.take() else {
                self.send(stream, responses).await?;
                responses.sent(InHand::Nothing);
                if responses.wait_for_response().await {
                    continue;
                }
                return Ok(WriterEnd::Done);
            };
            let FinishedResponse { response, spent, egress } = match pending.response {
                ResponseSlot::Ready(finished) => finished,
                ResponseSlot::Delayed(delayed) => self.resolve(delayed, stream, responses).await?,
            };
            self.charges.extend(pending.charge);
            self.traces.extend(pending.trace.map(|trace| (trace, spent)));
            match response {
                Response::Frame(pieces) => self.add(pieces, egress),
                Response::Silent => {}
                Response::Close => {
                    self.send(stream, responses).await?;
                    return Ok(WriterEnd::Closed);
                }
            }
            if self.bytes >= GATHER_BYTES_MAX {
                self.send(stream, responses).await?;
                responses.sent(InHand::Nothing);
            }
        }
    }

    /// Waits for a response. Sends the earlier ones first if it is not ready.
    async fn resolve(
        &mut self,
        mut delayed: DelayedResponse,
        stream: &Stream,
        responses: &ResponseQueue,
    ) -> io::Result<FinishedResponse> {
        let ready = poll_fn(|context| match delayed.as_mut().poll(context) {
            Poll::Ready(response) => Poll::Ready(Some(response)),
            Poll::Pending => Poll::Ready(None),
        });
        if let Some(response) = ready.await {
            return Ok(response);
        }
        self.send(stream, responses).await?;
        responses.sent(InHand::One);
        Ok(delayed.await)
    }

    fn add(&mut self, pieces: Vec<Bytes>, egress: Option<EgressCharge>) {
        let bytes = pieces.iter().map(Bytes::len).sum::<usize>();
        self.bytes += bytes;
        self.pieces.extend(pieces);
        self.held.push(egress.unwrap_or_else(|| self.shard.egress().charge(bytes as u64)));
    }

    /// Sends all gathered responses and frees the memory of their requests.
    async fn send(&mut self, stream: &Stream, responses: &ResponseQueue) -> io::Result<()> {
        let charges = std::mem::take(&mut self.charges);
        self.bytes = 0;
        match std::mem::take(&mut self.pieces) {
            pieces if pieces.is_empty() => {}
            pieces => {
                responses.note_sending(Sending::Begins);
                let mut rest = VecDeque::from(pieces);
                while !rest.is_empty() {
                    stream.send(portion(&mut rest, self.shard.send_bytes_max())).await?;
                }
                responses.note_sending(Sending::Ended);
            }
        }
        self.held.clear();
        drop(charges);
        if !self.traces.is_empty() {
            let left = millrace_rt::now();
            self.traces.drain(..).for_each(|(trace, spent)| self.timings.record(trace, &spent, left));
        }
        Ok(())
    }
}

/// Takes pieces off the front, at most `bytes_max` bytes of them.
fn portion(pieces: &mut VecDeque<Bytes>, bytes_max: usize) -> Vec<Bytes> {
    let (mut taken, mut left) = (Vec::with_capacity(pieces.len()), bytes_max);
    while left > 0
        && let Some(mut piece) = pieces.pop_front()
    {
        if piece.len() > left {
            taken.push(piece.split_to(left));
            pieces.push_front(piece);
            break;
        }
        left -= piece.len();
        taken.push(piece);
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portions_are_the_pieces_in_order() {
        for (bytes_max, expected) in [
            (1, "a b c d e f"),
            (2, "ab cd ef"),
            (3, "abc def"),
            (4, "abcd ef"),
            (5, "abcde f"),
            (6, "abcdef"),
            (usize::MAX, "abcdef"),
        ] {
            let mut pieces: VecDeque<Bytes> = ["ab", "c", "def"].map(Bytes::from).into();
            let mut portions = Vec::new();
            while !pieces.is_empty() {
                portions.push(portion(&mut pieces, bytes_max).concat());
            }
            assert_eq!(portions.join(&b' '), expected.as_bytes(), "{bytes_max} bytes each");
        }
    }
}
