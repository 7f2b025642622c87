//! Fetch: reads every asked partition under one byte budget and waits, where asked to, until enough is visible.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use millrace_core::base::ids::{Offset, PartitionKey, ShardIndex};
use millrace_core::base::measure::Counter;
use millrace_rt::{Either, Signal};

use crate::api::{FetchPartition, FetchQuery, FetchedPartition};
use crate::egress::EgressCharge;
use crate::fitting::keep_within;
use crate::granted::{Granted, waited_for_bytes};
use crate::message::{Answer, Ask, ReadAsk, WatchAsk, WatchId};
use crate::shard::Shard;
use crate::times::FetchTimes;
use crate::watch::{Listing, Waiter};

impl Shard {
    /// Answers each partition of the query, in its order: at once where `min_bytes` are there or a partition has an
    /// error, else when they are or `max_wait` is over.
    ///
    /// Dropping the future leaves nothing behind: nobody waits for its partitions any more.
    pub async fn fetch(&self, query: FetchQuery) -> Vec<FetchedPartition> {
        self.fetch_timed(&query, &mut FetchTimes::default()).await.0
    }

    /// The same; adds to `times` where the time went. The records count against the budget of this shard's answers until
    /// the charge is dropped.
    pub async fn fetch_timed(
        &self,
        query: &FetchQuery,
        times: &mut FetchTimes,
    ) -> (Vec<FetchedPartition>, EgressCharge) {
        let egress = &self.core().egress;
        let mut begun = millrace_rt::now();
        let mut deadline = begun + query.max_wait;
        loop {
            let wanted = query.max_bytes as u64;
            let granted = Granted::of(egress.reserve(wanted, deadline).await, egress);
            let room = millrace_rt::now();
            times.wait += room - begun;
            // What the budget leaves may be less than the reader would wait for.
            let min_bytes = granted.worth_waiting_for(query.min_bytes);
            let (mut fetched, read) = self.read_once(&query.partitions, &granted, min_bytes).await;
            let charge = granted.settle(&mut fetched);
            let now = millrace_rt::now();
            times.read += read;
            times.hop += (now - room).saturating_sub(read);
            let (bytes, failed) = fetched.iter().fold((0, false), |(bytes, failed), partition| {
                (bytes + waited_for_bytes(partition), failed || partition.result.is_err())
            });
            let late = now >= deadline;
            if bytes >= min_bytes || failed || late || query.partitions.is_empty() {
                return (fetched, charge);
            }
            drop(charge);
            let seen = seen_high_watermarks(&query.partitions, &fetched);
            drop(fetched);
            let missing = min_bytes - bytes;
            let waiting = Level::raise(&self.core().counters.fetches_waiting);
            let woken = self.wait_for_bytes(seen, missing);
            if let Either::Left(Woken::HasNoPlace) =
                millrace_rt::select(woken, millrace_rt::sleep_until(deadline)).await
            {
                deadline = deadline.min(millrace_rt::now() + WAIT_WITHOUT_PLACE);
                millrace_rt::sleep_until(deadline).await;
            }
            drop(waiting);
            begun = millrace_rt::now();
            times.wait += begun - now;
        }
    }

    /// One read of every partition. All owners read at once, each within the whole budget; where several did, what
    /// one alone would not have read is dropped again. Answers how long the longest took, too.
    async fn read_once(
        &self,
        asked: &[FetchPartition],
        granted: &Granted,
        enough_bytes: usize,
    ) -> (Vec<FetchedPartition>, Duration) {
        let begun = millrace_rt::now();
        let groups = self.by_owner(asked.iter().map(|partition| partition.key));
        let several = groups.len() > 1;
        let mut local = None;
        let mut remote = Vec::new();
        for (owner, places) in groups {
            let partitions = places.iter().map(|&place| asked[place]).collect();
            let ask = ReadAsk { partitions, budget_bytes: granted.bytes, first: granted.first, enough_bytes };
            if owner == self.index() {
                local = Some((places, ask));
            } else {
                remote.push((places, self.admit(owner, Ask::Read(ask)).await));
            }
        }
        let mut answers = Vec::with_capacity(asked.len());
        let mut longest = Duration::ZERO;
        if let Some((places, ask)) = local {
            answers.extend(places.into_iter().zip(self.core().read(ask).await));
            longest = millrace_rt::now() - begun;
        }
        for (places, reply) in remote {
            match reply.await {
                Answer::Read(read, took) => {
                    longest = longest.max(took);
                    answers.extend(places.into_iter().zip(read));
                }
                _ => unreachable!("a read is answered with what was read"),
            }
        }
        answers.sort_unstable_by_key(|(place, _)| *place);
        let mut fetched: Vec<FetchedPartition> = answers.into_iter().map(|(_, answer)| answer).collect();
        if several {
            keep_within(asked, &mut fetched, granted.bytes);
        }
        (fetched, longest)
    }

    /// Completes when any owner has seen its partitions grow by `bytes`, or has no place for a reader. Dropping the future
    /// takes it off their lists.
    async fn wait_for_bytes(&self, seen: Vec<(PartitionKey, Offset)>, bytes: usize) -> Woken {
        let purgatory = &self.core().purgatory;
        let Some(_room) = purgatory.hold(seen.len()) else { return Woken::HasNoPlace };
        let woken = Signal::new();
        // Begun before the watch is listed, which may fire at once.
        let wait = woken.wait();
        let mut replies = Vec::new();
        let id = WatchId { shard: self.index(), number: purgatory.next_number() };
        let mut listed = Listed { shard: self, id, owners: Vec::new() };
        for (owner, places) in self.by_owner(seen.iter().map(|(key, _)| *key)) {
            let partitions = places.into_iter().map(|place| seen[place]).collect();
            let ask = WatchAsk { id, partitions, bytes };
            if owner != self.index() {
                replies.push(self.admit(owner, Ask::Watch(ask)).await);
            } else if self.core().watch(ask, Waiter::Task(woken.clone())) == Listing::Refused {
                return Woken::HasNoPlace;
            }
            listed.owners.push(owner);
        }
        drop(seen);
        match millrace_rt::select(wait, AnyReply { replies }).await {
            Either::Right(Answer::NoPlace) => Woken::HasNoPlace,
            _ => Woken::Changed,
        }
    }
}

/// How long a reader waits at most for which there is no place among those that are told of new bytes: then it hears what is
/// there by then. Long enough that who asks again at once takes no time of others that counts.
const WAIT_WITHOUT_PLACE: Duration = Duration::from_millis(50);

/// Why a reader does not wait any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Woken {
    /// Bytes are there, or a partition changed.
    Changed,
    HasNoPlace,
}

/// A reader that waits in lists of these shards, until it is dropped.
struct Listed<'a> {
    shard: &'a Shard,
    id: WatchId,
    owners: Vec<ShardIndex>,
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        for owner in self.owners.drain(..) {
            if owner == self.shard.index() {
                self.shard.core().unwatch(self.id);
                continue;
            }
            let counters = &self.shard.core().counters;
            counters.mesh_asks.increment();
            // Nobody waits for the reply.
            if let Err(ask) = self.shard.core().mesh.try_admit(owner.0, Ask::Unwatch(self.id)) {
                counters.mesh_waits.increment();
                let core = Rc::clone(self.shard.core());
                millrace_rt::spawn(async move { drop(core.mesh.admit(owner.0, ask).await) });
            }
        }
    }
}

fn seen_high_watermarks(
    asked: &[FetchPartition],
    fetched: &[FetchedPartition],
) -> Vec<(PartitionKey, Offset)> {
    asked
        .iter()
        .zip(fetched)
        .filter_map(|(ask, answer)| answer.result.as_ref().ok().map(|it| (ask.key, it.high_watermark)))
        .collect()
}

/// One more, as long as it lives: a fetch may be dropped while it waits.
struct Level<'a>(&'a Counter);

impl Level<'_> {
    fn raise(counter: &Counter) -> Level<'_> {
        counter.increment();
        Level(counter)
    }
}

impl Drop for Level<'_> {
    fn drop(&mut self) {
        self.0.subtract(1);
    }
}

/// Completes with the first of several replies.
struct AnyReply {
    replies: Vec<millrace_rt::Reply<Answer>>,
}

impl Future for AnyReply {
    type Output = Answer;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        let replies = &mut self.get_mut().replies;
        let ready = replies.iter_mut().find_map(|reply| match Pin::new(reply).poll(context) {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => None,
        });
        ready.map_or(Poll::Pending, Poll::Ready)
    }
}
