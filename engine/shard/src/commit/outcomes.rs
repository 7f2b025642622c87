//! What a producer waits on: the outcomes of one request's appends, gathered from every shard they went to.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use millrace_rt::Moment;

use crate::api::{AppendTimes, Appended, Milestones, Outcome};
use crate::mesh::calls::Append;
use crate::mesh::requests::AppendResponse;
use crate::mesh::responder::{Responder, ResponseFuture};

/// Outcomes of the appends that one shard owns; completes when the last of them is known.
pub(crate) struct AppendOutcomes {
    state: RefCell<State>,
}

struct State {
    outcomes: Vec<Option<Outcome>>,
    missing: usize,
    waiter: OutcomeWaiter,
    reached: Milestones,
}

enum OutcomeWaiter {
    Nobody,
    Task(Waker),
    Shard(Responder<Append>),
}

impl AppendOutcomes {
    /// Waited for by a task of this shard.
    pub(crate) fn local(appends: usize) -> Rc<AppendOutcomes> {
        AppendOutcomes::new(appends, OutcomeWaiter::Nobody)
    }

    /// Waited for by another shard.
    pub(crate) fn remote(appends: usize, responder: Responder<Append>) -> Rc<AppendOutcomes> {
        let outcomes = AppendOutcomes::new(appends, OutcomeWaiter::Shard(responder));
        outcomes.answer_if_complete();
        outcomes
    }

    fn new(appends: usize, waiter: OutcomeWaiter) -> Rc<AppendOutcomes> {
        let outcomes = (0..appends).map(|_| None).collect();
        let reached = Milestones::arrived(millrace_rt::now());
        Rc::new(AppendOutcomes { state: RefCell::new(State { outcomes, missing: appends, waiter, reached }) })
    }

    /// An append is in the log, and as durable as its topic wants.
    pub(crate) fn commit(&self, append: usize, appended: Appended, sealed: Moment, durable: Moment) {
        self.state.borrow_mut().reached.reach(sealed, durable);
        self.resolve(append, Ok(appended));
    }

    /// Sets the outcome of one append, once.
    pub(crate) fn resolve(&self, append: usize, outcome: Outcome) {
        {
            let mut state = self.state.borrow_mut();
            let place = &mut state.outcomes[append];
            assert!(place.is_none(), "an append has one outcome");
            *place = Some(outcome);
            state.missing -= 1;
        }
        self.answer_if_complete();
    }

    fn answer_if_complete(&self) {
        let mut state = self.state.borrow_mut();
        if state.missing > 0 {
            return;
        }
        match std::mem::replace(&mut state.waiter, OutcomeWaiter::Nobody) {
            OutcomeWaiter::Nobody => {}
            OutcomeWaiter::Task(waker) => waker.wake(),
            OutcomeWaiter::Shard(responder) => {
                let outcomes = state.take();
                responder.send(AppendResponse { outcomes, reached: state.reached });
            }
        }
    }
}

impl State {
    fn take(&mut self) -> Vec<Outcome> {
        std::mem::take(&mut self.outcomes).into_iter().flatten().collect()
    }
}

/// Resolves to the outcome of each append of a request, in the request's order.
///
/// Dropping it leaves the appends as they are: they commit without a witness.
pub struct AppendTicket {
    outcomes: Vec<Option<Outcome>>,
    parts: Vec<Part>,
    times: AppendTimes,
}

/// The appends that went to one shard, and their places in the request.
pub(crate) struct Part {
    pub(crate) places: Vec<usize>,
    pub(crate) source: Source,
}

pub(crate) enum Source {
    Local(Rc<AppendOutcomes>),
    /// Asked at this moment.
    Remote(Moment, ResponseFuture<Append>),
    Done,
}

impl AppendTicket {
    pub(crate) fn new(appends: usize, parts: Vec<Part>) -> AppendTicket {
        AppendTicket { outcomes: (0..appends).map(|_| None).collect(), parts, times: AppendTimes::default() }
    }

    /// Where the time went, once it has resolved.
    pub fn times(&self) -> AppendTimes {
        self.times
    }
}

impl Part {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<(Vec<Outcome>, AppendTimes)> {
        let known = match &mut self.source {
            Source::Done => unreachable!("a part is known once"),
            Source::Local(outcomes) => {
                let mut state = outcomes.state.borrow_mut();
                if state.missing > 0 {
                    state.waiter = OutcomeWaiter::Task(context.waker().clone());
                    return Poll::Pending;
                }
                (state.take(), AppendTimes::local(state.reached))
            }
            Source::Remote(asked, reply) => match Pin::new(reply).poll(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(AppendResponse { outcomes, reached }) => {
                    (outcomes, AppendTimes::remote(*asked, reached, millrace_rt::now()))
                }
            },
        };
        self.source = Source::Done;
        Poll::Ready(known)
    }
}

impl Future for AppendTicket {
    type Output = Vec<Outcome>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Vec<Outcome>> {
        let ticket = self.get_mut();
        let mut waiting = false;
        for part in ticket.parts.iter_mut().filter(|part| !matches!(part.source, Source::Done)) {
            match part.poll(context) {
                Poll::Pending => waiting = true,
                Poll::Ready((outcomes, times)) => {
                    ticket.times = times;
                    for (place, outcome) in part.places.iter().zip(outcomes) {
                        ticket.outcomes[*place] = Some(outcome);
                    }
                }
            }
        }
        if waiting {
            return Poll::Pending;
        }
        Poll::Ready(std::mem::take(&mut ticket.outcomes).into_iter().flatten().collect())
    }
}
