//! How long requests took, and on which stages produce and fetch requests spent it.
//! Recorded when a response has left.

use std::cell::RefCell;
use std::time::Duration;

use millrace_core::base::measure::{Distribution, Histogram};
use millrace_rt::Moment;
use millrace_shard::{AppendTimes, FetchTimes};
use millrace_wire::ApiKey;

/// The stages of a produce request, in order.
pub(crate) const PRODUCE_STAGES: [&str; 5] = ["queue", "hop", "journal", "flush", "send"];
/// The stages of a fetch, in order.
pub(crate) const FETCH_STAGES: [&str; 5] = ["queue", "hop", "read", "wait", "send"];

/// What a response keeps of its request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trace {
    pub(crate) api: ApiKey,
    pub(crate) received: Moment,
}

/// The time of each stage until a response was known. What follows is the time to send it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spent {
    /// Until the request was handed to the engine: its wait for its turn, and its decoding.
    queue: Duration,
    hop: Duration,
    /// The journal and flush of a produce request, or the reading and waiting of a fetch.
    engine: [Duration; 2],
}

impl Spent {
    pub(crate) fn append(received: Moment, times: AppendTimes) -> Spent {
        Spent { queue: times.admitted - received, hop: times.hop, engine: [times.journal, times.flush] }
    }

    /// The time of a fetch that was handed to the engine at `begun`.
    pub(crate) fn fetch(received: Moment, begun: Moment, times: FetchTimes) -> Spent {
        Spent { queue: begun - received, hop: times.hop, engine: [times.read, times.wait] }
    }

    /// Returns the time of each stage of a request that took `total`.
    fn stages(&self, total: Duration) -> [Duration; 5] {
        let [first, second] = self.engine;
        let known = self.queue + self.hop + first + second;
        [self.queue, self.hop, first, second, total.saturating_sub(known)]
    }
}

/// Lives on one shard, shared by its connections' writers.
#[derive(Default)]
pub(crate) struct Timings {
    /// The total times of each API at the API's number. They are made when its first response leaves.
    totals: RefCell<Vec<Option<Box<Histogram>>>>,
    produce: [Histogram; 5],
    fetch: [Histogram; 5],
}

/// The times of one shard's requests at one moment, in nanoseconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct TimingStats {
    pub(crate) totals: Vec<(&'static str, Distribution)>,
    /// In the order of [`PRODUCE_STAGES`].
    pub(crate) produce: Vec<Distribution>,
    /// In the order of [`FETCH_STAGES`].
    pub(crate) fetch: Vec<Distribution>,
}

impl Timings {
    /// Records a request whose response has left.
    pub(crate) fn record(&self, trace: Trace, spent: &Spent, left: Moment) {
        let total = left - trace.received;
        self.with_total(trace.api, |histogram| histogram.record(nanos(total)));
        let stages = match trace.api {
            ApiKey::Produce => &self.produce,
            ApiKey::Fetch => &self.fetch,
            _ => return,
        };
        for (histogram, took) in stages.iter().zip(spent.stages(total)) {
            histogram.record(nanos(took));
        }
    }

    pub(crate) fn stats(&self) -> TimingStats {
        let totals = self.totals.borrow();
        let asked = ApiKey::ALL.iter().filter_map(|key| {
            let histogram = totals.get(usize::try_from(key.code()).ok()?)?.as_deref()?;
            Some((key.name(), histogram.counts()))
        });
        TimingStats {
            totals: asked.collect(),
            produce: self.produce.iter().map(Histogram::counts).collect(),
            fetch: self.fetch.iter().map(Histogram::counts).collect(),
        }
    }

    fn with_total(&self, api: ApiKey, record: impl FnOnce(&Histogram)) {
        let Ok(place) = usize::try_from(api.code()) else { return };
        let mut totals = self.totals.borrow_mut();
        if totals.len() <= place {
            totals.resize_with(place + 1, || None);
        }
        if let Some(histogram) = totals.get_mut(place) {
            record(histogram.get_or_insert_default());
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_sum_to_the_total() {
        let timings = Timings::default();
        let received = Moment::ZERO + Duration::from_micros(10);
        let times = FetchTimes {
            hop: Duration::from_micros(2),
            read: Duration::from_micros(30),
            wait: Duration::from_micros(400),
        };
        let spent = Spent::fetch(received, received + Duration::from_micros(5), times);
        let trace = Trace { api: ApiKey::Fetch, received };
        timings.record(trace, &spent, received + Duration::from_micros(500));
        let stats = timings.stats();
        let sums: Vec<u64> = stats.fetch.iter().map(|stage| stage.sum() / 1000).collect();
        assert_eq!(sums, [5, 2, 30, 400, 63]);
        assert_eq!(stats.totals.len(), 1);
        assert_eq!((stats.totals[0].0, stats.totals[0].1.sum() / 1000), ("Fetch", 500));
        assert!(stats.produce.iter().all(|stage| stage.count() == 0));
    }
}
