//! Fetch: reads every asked partition under one byte budget and waits, where asked to,
//! until enough is visible.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use millrace_core::base::ids::{Offset, PartitionKey, ShardIndex};
use millrace_core::base::measure::Counter;
use millrace_rt::{Either, Signal};

use crate::api::FetchTimes;
use crate::api::{FetchPartition, FetchQuery, FetchedPartition};
use crate::counters::Counters;
use crate::device::egress::{EgressBudget, EgressCharge};
use crate::fetch::fitting::keep_within;
use crate::fetch::granted::{Granted, waited_for_bytes};
use crate::fetch::reading::PartitionReader;
use crate::mesh::calls::{CancelFetch, DelayFetch, Read};
use crate::mesh::requests::{DelayedFetchId, DelayedFetchRequest, ReadRequest, ReadResponse, Woken};
use crate::mesh::responder::ResponseFuture;
use crate::mesh::shard_mesh::ShardMesh;
use crate::partition::delayed_fetch::Waiter;
use crate::partition::purgatory::{Listing, Purgatory};

/// Fetches for connections of one shard, from partitions of all shards.
pub(crate) struct Fetcher {
    pub(crate) mesh: Rc<ShardMesh>,
    pub(crate) reader: Rc<PartitionReader>,
    pub(crate) purgatory: Rc<Purgatory>,
    pub(crate) egress: Rc<EgressBudget>,
    pub(crate) counters: Rc<Counters>,
}

impl Fetcher {
    /// Each partition of the query, in its order: at once where `min_bytes` are there or a partition has an
    /// error, else when they are or `max_wait` is over. Adds to `times` where the time went. The records
    /// count against the budget of this shard's responses until the charge is dropped.
    ///
    /// Dropping the future leaves nothing behind: nobody waits for its partitions any more.
    pub(crate) async fn fetch(
        &self,
        query: &FetchQuery,
        times: &mut FetchTimes,
    ) -> (Vec<FetchedPartition>, EgressCharge) {
        let egress = &self.egress;
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
            let waiting = Level::raise(&self.counters.fetch.fetches_waiting);
            let woken = self.wait_for_bytes(seen, missing);
            if let Either::Left(Woken::NoRoom) =
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

    /// One read of every partition. All owners read at once, each within the whole budget; where several did,
    /// what one alone would not have read is dropped again. Returns how long the longest took, too.
    async fn read_once(
        &self,
        asked: &[FetchPartition],
        granted: &Granted,
        enough_bytes: usize,
    ) -> (Vec<FetchedPartition>, Duration) {
        let begun = millrace_rt::now();
        let groups = self.mesh.by_owner(asked.iter().map(|partition| partition.key));
        let several = groups.len() > 1;
        let mut local = None;
        let mut remote = Vec::new();
        for (owner, places) in groups {
            let partitions = places.iter().map(|&place| asked[place]).collect();
            let ask =
                ReadRequest { partitions, budget_bytes: granted.bytes, first: granted.first, enough_bytes };
            if owner == self.mesh.index {
                local = Some((places, ask));
            } else {
                remote.push((places, self.mesh.admit::<Read>(owner, ask).await));
            }
        }
        let mut answers = Vec::with_capacity(asked.len());
        let mut longest = Duration::ZERO;
        if let Some((places, ask)) = local {
            answers.extend(places.into_iter().zip(self.reader.read(ask).await));
            longest = millrace_rt::now() - begun;
        }
        for (places, reply) in remote {
            let ReadResponse { partitions, took } = reply.await;
            longest = longest.max(took);
            answers.extend(places.into_iter().zip(partitions));
        }
        answers.sort_unstable_by_key(|(place, _)| *place);
        let mut fetched: Vec<FetchedPartition> = answers.into_iter().map(|(_, answer)| answer).collect();
        if several {
            keep_within(asked, &mut fetched, granted.bytes);
        }
        (fetched, longest)
    }

    /// Completes when any owner has seen its partitions grow by `bytes`, or has no place for a reader.
    /// Dropping the future takes it off their lists.
    async fn wait_for_bytes(&self, seen: Vec<(PartitionKey, Offset)>, bytes: usize) -> Woken {
        let purgatory = &self.purgatory;
        let Some(_room) = purgatory.hold(seen.len()) else { return Woken::NoRoom };
        let woken = Signal::new();
        // Begun before the fetch is listed, which may fire at once.
        let wait = woken.wait();
        let mut replies = Vec::new();
        let id = DelayedFetchId { shard: self.mesh.index, number: purgatory.next_number() };
        let mut listed = Listed { fetcher: self, id, owners: Vec::new() };
        for (owner, places) in self.mesh.by_owner(seen.iter().map(|(key, _)| *key)) {
            let partitions = places.into_iter().map(|place| seen[place]).collect();
            let ask = DelayedFetchRequest { id, partitions, bytes };
            if owner != self.mesh.index {
                replies.push(self.mesh.admit::<DelayFetch>(owner, ask).await);
            } else if self.purgatory.delay(ask, Waiter::Task(woken.clone())) == Listing::Refused {
                return Woken::NoRoom;
            }
            listed.owners.push(owner);
        }
        drop(seen);
        match millrace_rt::select(wait, FirstResponse { responses: replies }).await {
            Either::Right(woken) => woken,
            Either::Left(()) => Woken::Changed,
        }
    }
}

/// How long a reader waits at most for which there is no place among those that are told of new bytes: then
/// it hears what is there by then. Long enough that who asks again at once takes no time of others that
/// counts.
const WAIT_WITHOUT_PLACE: Duration = Duration::from_millis(50);

/// A reader that waits in lists of these shards, until it is dropped.
struct Listed<'a> {
    fetcher: &'a Fetcher,
    id: DelayedFetchId,
    owners: Vec<ShardIndex>,
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        for owner in self.owners.drain(..) {
            match owner == self.fetcher.mesh.index {
                true => self.fetcher.purgatory.cancel(self.id),
                false => self.fetcher.mesh.notify::<CancelFetch>(owner, self.id),
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

/// Completes with the first of several responses.
struct FirstResponse {
    responses: Vec<ResponseFuture<DelayFetch>>,
}

impl Future for FirstResponse {
    type Output = Woken;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Woken> {
        let responses = &mut self.get_mut().responses;
        let ready = responses.iter_mut().find_map(|response| match Pin::new(response).poll(context) {
            Poll::Ready(woken) => Some(woken),
            Poll::Pending => None,
        });
        ready.map_or(Poll::Pending, Poll::Ready)
    }
}
