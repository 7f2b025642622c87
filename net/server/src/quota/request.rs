//! `LimitedRequest`: what one request of a limited client costs, and how long its connection rests behind it.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use millrace_rt::Moment;

use crate::quota::limits::Limits;
use crate::quota::meter::Meter;

/// A fetch may bring at least this part of a second's worth, however little is left:
/// many small fetches would cost more.
const FETCH_PART_OF_SECOND: f64 = 0.1;

/// Made for each request of a client that has a quota, and for no other. Shared by the reader of the
/// connection and the request's handler.
pub(crate) struct LimitedRequest {
    limits: Rc<Limits>,
    /// The time of its handler in the turns that have ended.
    spent: Cell<Duration>,
    turn_began: Cell<Moment>,
    /// The part of that time that the client's meter has counted.
    counted: Cell<Duration>,
    rest: RefCell<Option<Rest>>,
}

struct Rest {
    meter: Arc<Meter>,
    time: Duration,
}

/// Changes of topics that a client asks for, and its rate for them.
pub(crate) enum Mutations<'a> {
    Unlimited,
    /// No change is made while the client is overdue. It gets an error.
    Strict(&'a LimitedRequest),
    /// All changes are made, and the client rests afterwards.
    Permissive(&'a LimitedRequest),
}

impl LimitedRequest {
    pub(crate) fn new(limits: Rc<Limits>) -> LimitedRequest {
        LimitedRequest {
            limits,
            spent: Cell::default(),
            turn_began: Cell::new(millrace_rt::now()),
            counted: Cell::default(),
            rest: RefCell::default(),
        }
    }

    pub(crate) fn is_timed(&self) -> bool {
        self.limits.time.is_some()
    }

    /// Counts a produce request of `bytes` bytes.
    pub(crate) fn produce(&self, bytes: usize) {
        if let Some(meter) = &self.limits.produce {
            self.rest_for(meter, meter.spend(bytes as f64, millrace_rt::now()));
        }
    }

    /// Returns whether a fetch gets no records now because its client is over its rate of bytes or time.
    pub(crate) fn refuses_fetch(&self) -> bool {
        let now = millrace_rt::now();
        if let Some(meter) = &self.limits.fetch {
            self.rest_for(meter, meter.overdue(now));
        }
        if let Some(meter) = &self.limits.time {
            self.rest_for(meter, meter.overdue(now).min(self.limits.time_rest_max));
        }
        self.rest.borrow().is_some()
    }

    /// Returns the most bytes of records that a fetch may bring.
    pub(crate) fn fetch_bytes_max(&self) -> usize {
        self.limits.fetch.as_ref().map_or(usize::MAX, |meter| {
            let least = meter.pace().per_second() * FETCH_PART_OF_SECOND;
            // A cast takes what is no number for 0, and what is too large for the largest.
            meter.room(millrace_rt::now()).max(least) as usize
        })
    }

    /// Counts a fetch response of `bytes` bytes. The next fetch pays for them.
    pub(crate) fn fetched(&self, bytes: usize) {
        if let Some(meter) = &self.limits.fetch {
            meter.spend(bytes as f64, millrace_rt::now());
        }
    }

    /// Counts the handler's time so far. Called when its response is made.
    pub(crate) fn count_time(&self) {
        if let Some(meter) = &self.limits.time {
            let now = millrace_rt::now();
            let overdue = self.count_until(meter, self.spent.get() + (now - self.turn_began.get()), now);
            self.rest_for(meter, overdue.min(self.limits.time_rest_max));
        }
    }

    /// Returns the throttle time for the response, or `None` if the client need not rest.
    pub(crate) fn throttle_time_ms(&self) -> Option<i32> {
        let rest = self.rest.borrow();
        let millis = rest.as_ref()?.time.as_nanos().div_ceil(1_000_000);
        Some(i32::try_from(millis).unwrap_or(i32::MAX))
    }

    /// Returns how long the connection is not read after this request.
    /// Also counts the handler's time after the response was made.
    pub(crate) fn take_rest(&self) -> Option<(Arc<Meter>, Duration)> {
        self.settle();
        let Rest { meter, time } = self.rest.take()?;
        Some((meter, time))
    }

    /// Counts the rest of the handler's time. The client rests for it after the next request at the earliest.
    fn settle(&self) {
        if let Some(meter) = &self.limits.time {
            self.count_until(meter, self.spent.get(), millrace_rt::now());
        }
    }

    fn count_until(&self, meter: &Meter, spent: Duration, now: Moment) -> Duration {
        let uncounted = spent.saturating_sub(self.counted.get());
        self.counted.set(self.counted.get() + uncounted);
        meter.spend(uncounted.as_secs_f64(), now)
    }

    /// The longest rest counts.
    fn rest_for(&self, meter: &Arc<Meter>, time: Duration) {
        let mut rest = self.rest.borrow_mut();
        if time > rest.as_ref().map_or(Duration::ZERO, |rest| rest.time) {
            *rest = Some(Rest { meter: Arc::clone(meter), time });
        }
    }
}

impl<'a> Mutations<'a> {
    /// The mode depends on whether the request's version has an error for it.
    pub(crate) fn of(request: Option<&'a LimitedRequest>, strict_from: i16, version: i16) -> Mutations<'a> {
        match request.filter(|request| request.limits.mutations.is_some()) {
            None => Mutations::Unlimited,
            Some(request) if version >= strict_from => Mutations::Strict(request),
            Some(request) => Mutations::Permissive(request),
        }
    }

    pub(crate) fn is_unlimited(&self) -> bool {
        matches!(self, Mutations::Unlimited)
    }

    /// Takes `partitions` partitions from the rate. Returns false if they may not be created or deleted now.
    pub(crate) fn take(&self, partitions: usize) -> bool {
        let now = millrace_rt::now();
        let (request, is_strict) = match self {
            Mutations::Unlimited => return true,
            Mutations::Strict(request) => (request, true),
            Mutations::Permissive(request) => (request, false),
        };
        let Some(meter) = &request.limits.mutations else { return true };
        let overdue = meter.overdue(now);
        if is_strict && overdue > Duration::ZERO {
            request.rest_for(meter, overdue);
            return false;
        }
        let overdue = meter.spend(partitions as f64, now);
        if !is_strict {
            request.rest_for(meter, overdue);
        }
        true
    }
}

/// The same for the delayed part of a request. Counts its time when it is done.
pub(crate) async fn timed_to_the_end<T>(work: impl Future<Output = T>, request: Rc<LimitedRequest>) -> T {
    let result = timed(work, request.clone()).await;
    request.settle();
    result
}

/// Runs a handler, or the rest of it, and measures the time of its turns.
pub(crate) async fn timed<T>(work: impl Future<Output = T>, request: Rc<LimitedRequest>) -> T {
    let mut work = pin!(work);
    poll_fn(|context| {
        request.turn_began.set(millrace_rt::now());
        let result = work.as_mut().poll(context);
        request.spent.set(request.spent.get() + (millrace_rt::now() - request.turn_began.get()));
        result
    })
    .await
}
