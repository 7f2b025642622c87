//! The mesh as a shard sees it: admit requests to others, take requests from others, respond.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

use rustc_hash::FxHashMap;

use crate::mesh::lane::{LaneReceiver, LaneSender, lane};
use crate::mesh::replies::{Replies, ReplyRoom};
use crate::shard::{self, Attend};
use crate::submission::remote::Remote;
use crate::sync::waiters::{Ticket, Waiters};

/// What all shards of a mesh share.
struct Common<R> {
    /// Known once the shard has attached its end.
    remotes: Vec<OnceLock<Arc<Remote>>>,
    /// Replies on their way to each requesting shard.
    replies: Vec<Replies<R>>,
}

impl<R> Common<R> {
    fn ring(&self, shard: u16) {
        fence(Ordering::SeqCst);
        if let Some(remote) = self.remotes.get(usize::from(shard)).and_then(OnceLock::get) {
            remote.ring();
        }
    }
}

struct Parcel<Q, R> {
    request: Q,
    room: Box<ReplyRoom<R>>,
}

/// One shard's end of a mesh, on its way to that shard.
pub struct MeshEnd<Q, R> {
    me: u16,
    common: Arc<Common<R>>,
    outgoing: Vec<LaneSender<Parcel<Q, R>>>,
    incoming: Vec<LaneReceiver<Parcel<Q, R>>>,
}

/// One end per shard, in the order of the shards. Each lane, one per ordered pair, holds `lane_capacity`
/// requests that were not yet taken.
pub fn mesh<Q: Send + 'static, R: Send + 'static>(shards: u16, lane_capacity: usize) -> Vec<MeshEnd<Q, R>> {
    let common = Arc::new(Common {
        remotes: (0..shards).map(|_| OnceLock::new()).collect(),
        replies: (0..shards).map(|_| Replies::new()).collect(),
    });
    let mut incoming: Vec<Vec<LaneReceiver<Parcel<Q, R>>>> = (0..shards).map(|_| Vec::new()).collect();
    let mut outgoing = Vec::new();
    for _ in 0..shards {
        let mut senders = Vec::new();
        for receivers in &mut incoming {
            let (sender, receiver) = lane(lane_capacity);
            senders.push(sender);
            receivers.push(receiver);
        }
        outgoing.push(senders);
    }
    let ends = (0..shards).zip(outgoing).zip(incoming);
    ends.map(|((me, outgoing), incoming)| MeshEnd { me, common: Arc::clone(&common), outgoing, incoming })
        .collect()
}

impl<Q: Send + 'static, R: Send + 'static> MeshEnd<Q, R> {
    /// Makes it the current shard's; from then on others can wake this shard.
    pub fn attach(self) -> Mesh<Q, R> {
        let shard = shard::current();
        let outgoing = self.outgoing.into_iter();
        let inner = Rc::new(Inner {
            me: self.me,
            common: self.common,
            outgoing: outgoing.map(Outgoing::new).collect(),
            incoming: RefCell::new(Arrivals { lanes: self.incoming, next: 0, waiters: Waiters::default() }),
            awaited: RefCell::default(),
            issued: Cell::new(0),
        });
        let attendant: Weak<dyn Attend> = Rc::downgrade(&inner) as Weak<dyn Attend>;
        shard.add_attendant(attendant);
        let known = inner.common.remotes.get(usize::from(inner.me));
        let first = known.is_some_and(|place| place.set(Arc::clone(&shard.remote)).is_ok());
        assert!(first, "an end of a mesh is attached once");
        inner.common.ring(inner.me);
        Mesh { inner }
    }
}

struct Outgoing<T> {
    lane: LaneSender<T>,
    /// Those who wait for room, first come first served.
    waiters: Waiters,
}

impl<T> Outgoing<T> {
    fn new(lane: LaneSender<T>) -> RefCell<Outgoing<T>> {
        RefCell::new(Outgoing { lane, waiters: Waiters::default() })
    }
}

struct Arrivals<T> {
    lanes: Vec<LaneReceiver<T>>,
    /// The lane to look at first: each gets its turn.
    next: usize,
    waiters: Waiters,
}

enum Awaited<R> {
    Waiting(Option<Waker>),
    Arrived(R),
}

struct Inner<Q, R> {
    me: u16,
    common: Arc<Common<R>>,
    outgoing: Vec<RefCell<Outgoing<Parcel<Q, R>>>>,
    incoming: RefCell<Arrivals<Parcel<Q, R>>>,
    awaited: RefCell<FxHashMap<u64, Awaited<R>>>,
    issued: Cell<u64>,
}

/// A shard's end of a mesh; clones share it.
pub struct Mesh<Q, R> {
    inner: Rc<Inner<Q, R>>,
}

impl<Q, R> Clone for Mesh<Q, R> {
    fn clone(&self) -> Self {
        Mesh { inner: Rc::clone(&self.inner) }
    }
}

impl<Q: Send + 'static, R: Send + 'static> Mesh<Q, R> {
    /// The shard whose end this is.
    pub fn shard(&self) -> u16 {
        self.inner.me
    }

    /// Waits for room on the lane to `to`, in the order of the callers, and reserves the reply's room.
    /// Requests arrive in the order of admission. Nothing was sent if the future is dropped.
    pub async fn admit(&self, to: u16, request: Q) -> Reply<R> {
        let mut place = LanePlace { inner: &*self.inner, to, ticket: None };
        let mut request = Some(request);
        poll_fn(|cx| place.poll_admit(cx, &mut request, &self.inner)).await
    }

    /// Gives the request back if the lane is full or others wait for it.
    pub fn try_admit(&self, to: u16, request: Q) -> Result<Reply<R>, Q> {
        self.inner.put(to, request, None).map(|token| Reply::new(&self.inner, token))
    }

    /// The next request of any shard, its own included. Nothing is lost if the future is dropped.
    pub async fn next(&self) -> Incoming<Q, R> {
        let mut arrival = Arrival { inner: &*self.inner, ticket: None };
        poll_fn(|cx| arrival.poll_next(cx)).await
    }
}

impl<Q, R> Inner<Q, R> {
    fn outlet(&self, to: u16) -> &RefCell<Outgoing<Parcel<Q, R>>> {
        match self.outgoing.get(usize::from(to)) {
            Some(outlet) => outlet,
            None => panic!("shard {to} of {}", self.outgoing.len()),
        }
    }

    /// Puts a request on its lane; `ticket` is the caller's place in the queue, if it has one.
    fn put(&self, to: u16, request: Q, ticket: Option<Ticket>) -> Result<u64, Q> {
        let mut outlet = self.outlet(to).borrow_mut();
        let my_turn = match ticket {
            Some(ticket) => outlet.waiters.is_first(ticket),
            None => outlet.waiters.is_empty(),
        };
        if !my_turn || !outlet.lane.has_room() {
            return Err(request);
        }
        let token = self.issued.get() + 1;
        self.issued.set(token);
        let parcel = Parcel { request, room: ReplyRoom::reserve(token) };
        assert!(outlet.lane.put(parcel).is_ok(), "a lane lost its room to nobody");
        drop(outlet);
        self.awaited.borrow_mut().insert(token, Awaited::Waiting(None));
        self.common.ring(to);
        Ok(token)
    }

    fn take(&self) -> Option<Incoming<Q, R>> {
        let mut arrivals = self.incoming.borrow_mut();
        let count = arrivals.lanes.len();
        for step in 0..count {
            let from = (arrivals.next + step) % count;
            let Some(lane) = arrivals.lanes.get_mut(from) else { continue };
            let Some(Parcel { request, room }) = lane.take() else { continue };
            let owes_room = lane.owes_room();
            arrivals.next = (from + 1) % count;
            drop(arrivals);
            let from = u16::try_from(from).unwrap_or(u16::MAX);
            if owes_room {
                self.common.ring(from);
            }
            let respond = Respond { common: Arc::clone(&self.common), to: from, room };
            return Some(Incoming { from, request, respond });
        }
        None
    }

    fn deliver(&self, mut room: ReplyRoom<R>) {
        let Some(value) = room.value.take() else { return };
        let mut awaited = self.awaited.borrow_mut();
        // Absent: nobody waits for this reply any more.
        let Some(place) = awaited.get_mut(&room.token) else { return };
        let before = std::mem::replace(place, Awaited::Arrived(value));
        drop(awaited);
        if let Awaited::Waiting(Some(waker)) = before {
            waker.wake();
        }
    }
}

impl<Q, R> Attend for Inner<Q, R> {
    fn attend(&self) {
        if let Some(replies) = self.common.replies.get(usize::from(self.me)) {
            replies.take_all().into_iter().for_each(|room| self.deliver(*room));
        }
        let arrivals = self.incoming.borrow();
        if arrivals.lanes.iter().any(|lane| !lane.is_empty()) {
            arrivals.waiters.wake_first();
        }
        drop(arrivals);
        for outlet in &self.outgoing {
            let outlet = outlet.borrow();
            if outlet.lane.has_room() {
                outlet.waiters.wake_first();
            }
        }
    }
}

/// A caller's place in the queue for a lane.
struct LanePlace<'a, Q, R> {
    inner: &'a Inner<Q, R>,
    to: u16,
    ticket: Option<Ticket>,
}

impl<Q, R> LanePlace<'_, Q, R>
where
    Q: Send + 'static,
    R: Send + 'static,
{
    fn poll_admit(
        &mut self,
        cx: &Context<'_>,
        request: &mut Option<Q>,
        inner: &Rc<Inner<Q, R>>,
    ) -> Poll<Reply<R>> {
        // Twice: after asking for room, look once more, or the room made in between would go unseen.
        for asked in [false, true] {
            let Some(wanted) = request.take() else { panic!("an admission was polled after its end") };
            match inner.put(self.to, wanted, self.ticket) {
                Ok(token) => return Poll::Ready(Reply::new(inner, token)),
                Err(back) => *request = Some(back),
            }
            if !asked {
                self.queue(cx);
            }
        }
        Poll::Pending
    }

    fn queue(&mut self, cx: &Context<'_>) {
        let mut outlet = self.inner.outlet(self.to).borrow_mut();
        match self.ticket {
            Some(ticket) => outlet.waiters.renew(ticket, cx.waker()),
            None => self.ticket = Some(outlet.waiters.join(cx.waker())),
        }
        outlet.lane.ask_for_room();
    }
}

impl<Q, R> Drop for LanePlace<'_, Q, R> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let mut outlet = self.inner.outlet(self.to).borrow_mut();
            outlet.waiters.leave(ticket);
            if outlet.lane.has_room() {
                outlet.waiters.wake_first();
            }
        }
    }
}

/// A task that waits for the next request.
struct Arrival<'a, Q, R> {
    inner: &'a Inner<Q, R>,
    ticket: Option<Ticket>,
}

impl<Q, R> Arrival<'_, Q, R> {
    fn poll_next(&mut self, cx: &Context<'_>) -> Poll<Incoming<Q, R>> {
        if let Some(incoming) = self.inner.take() {
            return Poll::Ready(incoming);
        }
        let mut arrivals = self.inner.incoming.borrow_mut();
        match self.ticket {
            Some(ticket) => arrivals.waiters.renew(ticket, cx.waker()),
            None => self.ticket = Some(arrivals.waiters.join(cx.waker())),
        }
        Poll::Pending
    }
}

impl<Q, R> Drop for Arrival<'_, Q, R> {
    fn drop(&mut self) {
        let mut arrivals = self.inner.incoming.borrow_mut();
        if let Some(ticket) = self.ticket {
            arrivals.waiters.leave(ticket);
        }
        // The wake may have been this one's, and there may be more than it took.
        if arrivals.lanes.iter().any(|lane| !lane.is_empty()) {
            arrivals.waiters.wake_first();
        }
    }
}

/// A request of another shard, and the way to answer it.
pub struct Incoming<Q, R> {
    pub from: u16,
    pub request: Q,
    pub respond: Respond<R>,
}

/// Answers one request. Dropped unused, the requester waits for ever: answer every request.
pub struct Respond<R> {
    common: Arc<Common<R>>,
    to: u16,
    room: Box<ReplyRoom<R>>,
}

impl<R> Respond<R> {
    /// Never waits; the room was reserved with the request.
    pub fn send(mut self, reply: R) {
        self.room.value = Some(reply);
        if let Some(replies) = self.common.replies.get(usize::from(self.to)) {
            replies.push(self.room);
        }
        self.common.ring(self.to);
    }
}

/// The requester's side of a reply, whatever the type of its requests.
trait Answers<R> {
    fn poll_answer(&self, token: u64, waker: &Waker) -> Poll<R>;
    fn forget(&self, token: u64);
}

impl<Q, R> Answers<R> for Inner<Q, R> {
    fn poll_answer(&self, token: u64, waker: &Waker) -> Poll<R> {
        let mut awaited = self.awaited.borrow_mut();
        match awaited.remove(&token) {
            Some(Awaited::Arrived(value)) => Poll::Ready(value),
            Some(Awaited::Waiting(_)) => {
                awaited.insert(token, Awaited::Waiting(Some(waker.clone())));
                Poll::Pending
            }
            None => panic!("a reply was polled after it was taken"),
        }
    }

    fn forget(&self, token: u64) {
        let gone = self.awaited.borrow_mut().remove(&token);
        drop(gone);
    }
}

/// The answer to a request. Dropping it is fine: the request is still served.
pub struct Reply<R> {
    inner: Rc<dyn Answers<R>>,
    token: u64,
}

impl<R: 'static> Reply<R> {
    fn new<Q: 'static>(inner: &Rc<Inner<Q, R>>, token: u64) -> Reply<R> {
        Reply { inner: Rc::clone(inner) as Rc<dyn Answers<R>>, token }
    }
}

impl<R> Future for Reply<R> {
    type Output = R;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        self.inner.poll_answer(self.token, cx.waker())
    }
}

impl<R> Drop for Reply<R> {
    fn drop(&mut self) {
        self.inner.forget(self.token);
    }
}
