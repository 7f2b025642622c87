//! The private ring of a shard: all file and socket operations, submitted and reaped in one call per turn.
#![allow(unsafe_code)]
// `unsafe` here: pushing entries and entering the kernel. The memory that entries point to belongs to
// operation slots (see `entries`), and the ring is emptied (`drain`) before those can go away.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use io_uring::squeue::Entry;
use io_uring::{IoUring, cqueue, opcode, types};
use nix::sched::CpuSet;

use crate::moment::Moment;
use crate::submission::operation::{Answer, Connected, Operation, Outcome, SocketHandle};
use crate::submission::remote::Remote;
use crate::submission::slots::{SlotId, Slots};
use crate::uring::blocking::{BlockingPools, Job};
use crate::uring::entries;

/// Operations queued between two turns; when full they are submitted at once.
const SUBMISSION_ENTRIES: u32 = 512;
/// Completions may outnumber one turn's submissions: receives wait long and end together.
const COMPLETION_ENTRIES: u32 = SUBMISSION_ENTRIES * 4;
/// Tokens from here up are the ring's own; slot generations stay below.
const TOKEN_OWN: u64 = 1 << 63;
/// Completions that nobody waits for: cancellations, drain rounds.
const TOKEN_IGNORED: u64 = TOKEN_OWN;
/// The bell of the shard was rung.
const TOKEN_BELL: u64 = TOKEN_OWN | 1;
/// Timeouts; their serial number is in the low bits.
const TOKEN_TIMER: u64 = TOKEN_OWN | 1 << 62;
/// How long a stopping shard waits for one round of cancelled operations.
const DRAIN_ROUND: Duration = Duration::from_millis(50);

/// Of the kernel's threads that a shard's operations may block, at least so many. By default they are four a
/// processor; hardened writes to many files that grow share the file system's commits, and the more of them
/// wait for one the fewer there are: with 16 a shard of a machine of two processors had a third to a half of
/// the flushes.
const BLOCKED_WORKERS_MIN: u32 = 16;

/// Builds a ring as every shard uses it.
pub(crate) fn build() -> io::Result<IoUring> {
    let ring = IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_taskrun_flag()
        .setup_cqsize(COMPLETION_ENTRIES)
        .setup_clamp()
        .build(SUBMISSION_ENTRIES)?;
    raise_workers(&ring)?;
    Ok(ring)
}

/// Lets operations on files that grow, which block a thread of the kernel each, be under way together.
fn raise_workers(ring: &IoUring) -> io::Result<()> {
    // Zeros change nothing and ask for what there is: threads for files, and for everything else.
    let mut workers = [0; 2];
    ring.submitter().register_iowq_max_workers(&mut workers)?;
    if workers[0] < BLOCKED_WORKERS_MIN {
        ring.submitter().register_iowq_max_workers(&mut [BLOCKED_WORKERS_MIN, 0])?;
    }
    Ok(())
}

/// Lets those threads of the kernel run on any of these processors. They begin with what the shard may use,
/// which is the one that it needs for itself: with hardened writes to ten thousand files they took a third of
/// it while another idled.
fn free_workers(ring: &IoUring, cpus: &CpuSet) {
    // SAFETY: a set of bits, of which none is set.
    let mut mask: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for cpu in (0..CpuSet::count()).filter(|cpu| cpus.is_set(*cpu).unwrap_or(false)) {
        // SAFETY: within the set.
        unsafe { libc::CPU_SET(cpu, &mut mask) };
    }
    // Where the kernel does not know the call they share the shard's processor: slower, not wrong.
    let _ = ring.submitter().register_iowq_aff(&mask);
}

/// A timeout that the kernel holds, or will when it is submitted; it reads `_after` then.
struct ArmedTimer {
    token: u64,
    deadline: Moment,
    _after: Box<types::Timespec>,
}

/// The earliest is last: each was armed because it is earlier than all before it.
#[derive(Default)]
struct ArmedTimers {
    issued: u64,
    timers: Vec<ArmedTimer>,
}

pub(crate) struct Ring {
    ring: RefCell<IoUring>,
    armed: RefCell<ArmedTimers>,
    slots: Rc<Slots>,
    remote: Arc<Remote>,
    blocking: BlockingPools,
    /// Becomes readable when another thread wants the shard to look; the ring watches it.
    bell: RawFd,
    bell_is_watched: Cell<bool>,
    drain_round: Box<types::Timespec>,
    closed: Cell<bool>,
}

impl Ring {
    /// `bell` is the eventfd that `remote` owns.
    pub(crate) fn new(
        bell: RawFd,
        slots: Rc<Slots>,
        remote: Arc<Remote>,
        blocking: BlockingPools,
    ) -> io::Result<Ring> {
        let ring = build()?;
        free_workers(&ring, blocking.cpus());
        Ok(Ring {
            ring: RefCell::new(ring),
            armed: RefCell::default(),
            slots,
            remote,
            blocking,
            bell,
            bell_is_watched: Cell::new(false),
            drain_round: Box::new(types::Timespec::from(DRAIN_ROUND)),
            closed: Cell::new(false),
        })
    }

    /// Starts the operation in the slot; it reaches the kernel at the end of the turn.
    pub(crate) fn submit(&self, id: SlotId) {
        if self.closed.get() {
            self.slots.complete(id, Err(io::Error::from_raw_os_error(libc::ECANCELED)));
            return;
        }
        match self.slots.with(id, start_of) {
            Some(Start::Entry(entry)) => {
                self.push(&entry.user_data(id.token()));
            }
            Some(Start::Blocking(request)) => {
                self.blocking.run(Job { request, slot: id, remote: Arc::clone(&self.remote) });
            }
            Some(Start::Nothing) | None => {}
        }
    }

    /// Submits what is queued before the turn's end.
    pub(crate) fn hand_over(&self) {
        self.enter();
    }

    /// Asks the kernel to end the operation; its slot stays until the completion comes.
    pub(crate) fn cancel(&self, id: SlotId) {
        if self.closed.get() {
            return;
        }
        self.push(&opcode::AsyncCancel::new(id.token()).build().user_data(TOKEN_IGNORED));
    }

    /// Submits everything queued with one call that also lets the kernel post completions,
    /// then hands those out. True if anything moved.
    pub(crate) fn turn(&self, now: Moment, next_deadline: Option<Moment>) -> bool {
        self.arm(now, next_deadline);
        let entered = self.enter();
        self.reap() || entered
    }

    /// Stops the thread until something completes, a timer is due or the bell rings. Nothing else of this
    /// thread may be able to run. It may end early; `turn` hands out what came.
    pub(crate) fn wait(&self) {
        if !self.bell_is_watched.replace(true) {
            let watch = opcode::PollAdd::new(types::Fd(self.bell), BELL_READABLE).multi(true).build();
            self.push(&watch.user_data(TOKEN_BELL));
        }
        let mut ring = self.ring.borrow_mut();
        let queued = ring.submission().len();
        enter_with(&ring, queued, 1);
    }

    /// Cancels what is in flight and waits until the kernel has let go of all memory. Later operations fail.
    pub(crate) fn drain(&self) {
        self.closed.set(true);
        let cancelled = self.slots.in_flight();
        for id in &cancelled {
            self.push(&opcode::AsyncCancel::new(id.token()).build().user_data(TOKEN_IGNORED));
        }
        while !self.slots.in_flight().is_empty() {
            self.wait_a_round();
            self.reap();
            for (id, answer) in self.remote.take_completions() {
                self.slots.complete(id, answer);
            }
        }
    }

    fn wait_a_round(&self) {
        let entry = opcode::Timeout::new(&raw const *self.drain_round).count(1).build();
        self.push(&entry.user_data(TOKEN_IGNORED));
        match self.ring.borrow().submit_and_wait(1) {
            Ok(_) => {}
            Err(error) if is_transient(&error) => {}
            Err(error) => panic!("io_uring failed while a shard stopped: {error}"),
        }
    }

    fn push(&self, entry: &Entry) {
        loop {
            // SAFETY: the memory the entry points to stays until its completion (file head).
            let pushed = unsafe { self.ring.borrow_mut().submission().push(entry) };
            if pushed.is_ok() {
                return;
            }
            self.enter();
        }
    }

    /// A timeout is armed only if it is earlier than all that are:
    /// one that is too early wakes the shard for nothing.
    fn arm(&self, now: Moment, next_deadline: Option<Moment>) {
        let Some(deadline) = next_deadline else { return };
        let mut armed = self.armed.borrow_mut();
        if armed.timers.last().is_some_and(|earliest| earliest.deadline <= deadline) {
            return;
        }
        let after = Box::new(types::Timespec::from(deadline.since(now)));
        armed.issued += 1;
        let token = TOKEN_TIMER | armed.issued;
        let entry = opcode::Timeout::new(&raw const *after).build().user_data(token);
        armed.timers.push(ArmedTimer { token, deadline, _after: after });
        drop(armed);
        self.push(&entry);
    }

    fn enter(&self) -> bool {
        let mut ring = self.ring.borrow_mut();
        let queue = ring.submission();
        let queued = queue.len();
        if queued == 0 && !queue.taskrun() && !queue.cq_overflow() {
            return false;
        }
        drop(queue);
        enter_with(&ring, queued, 0);
        true
    }

    fn reap(&self) -> bool {
        let mut moved = false;
        loop {
            let next = self.ring.borrow_mut().completion().next();
            let Some(completion) = next else { return moved };
            moved = true;
            match completion.user_data() {
                token if token >= TOKEN_TIMER => self.timer_fired(token),
                TOKEN_BELL => self.bell_rang(&completion),
                token if token >= TOKEN_OWN => {}
                token => self.finish(SlotId::from_token(token), completion.result()),
            }
        }
    }

    fn finish(&self, id: SlotId, result: i32) {
        if let Some(answer) = self.slots.with(id, |operation| answer_of(operation, result)) {
            self.slots.complete(id, answer);
        }
    }

    /// The watch goes on unless the kernel says that it ended; then the next wait begins another.
    fn bell_rang(&self, completion: &cqueue::Entry) {
        let result = completion.result();
        assert!(result >= 0, "the bell of a shard cannot be watched: error {}", -result);
        self.bell_is_watched.set(cqueue::more(completion.flags()));
    }

    fn timer_fired(&self, token: u64) {
        self.armed.borrow_mut().timers.retain(|timer| timer.token != token);
    }
}

const IORING_ENTER_GETEVENTS: u32 = 1;
/// POLLIN.
const BELL_READABLE: u32 = 1;

/// Submits what is queued, lets the kernel post completions, and waits for so many.
fn enter_with(ring: &IoUring, queued: usize, completions: u32) {
    let count = u32::try_from(queued).unwrap_or(SUBMISSION_ENTRIES);
    // The count must be exact: with a larger one the kernel skips GETEVENTS and completions hang.
    // SAFETY: no argument is passed; the entries' memory is discussed in the file's head.
    let entered =
        unsafe { ring.submitter().enter::<libc::sigset_t>(count, completions, IORING_ENTER_GETEVENTS, None) };
    match entered {
        Ok(_) => {}
        Err(error) if is_transient(&error) => {}
        Err(error) => panic!("io_uring_enter failed: {error}"),
    }
}

enum Start {
    Entry(Entry),
    Blocking(crate::submission::operation::DiskRequest),
    Nothing,
}

fn start_of(operation: &mut Operation) -> Start {
    if let Operation::Disk(request) = operation {
        return request.take().map_or(Start::Nothing, Start::Blocking);
    }
    entries::entry_of(operation).map_or(Start::Nothing, Start::Entry)
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINTR | libc::EBUSY | libc::EAGAIN | libc::ETIME))
}

fn answer_of(operation: &Operation, result: i32) -> Answer {
    let Ok(count) = usize::try_from(result) else {
        return Err(io::Error::from_raw_os_error(-result));
    };
    match operation {
        Operation::Accept { .. } => {
            // SAFETY: a successful accept returns a new descriptor that nobody else owns.
            let socket = unsafe { OwnedFd::from_raw_fd(result) };
            accepted(socket).map(Outcome::Connected)
        }
        _ => Ok(Outcome::Count(count)),
    }
}

fn accepted(socket: OwnedFd) -> io::Result<Connected> {
    let socket = socket2::Socket::from(socket);
    socket.set_tcp_nodelay(true)?;
    let (peer, local) = addresses(&socket)?;
    // SAFETY: the descriptor moves from one owner to the next.
    let socket = unsafe { OwnedFd::from_raw_fd(socket.into_raw_fd()) };
    Ok(Connected { socket: SocketHandle::Uring(socket), peer, local })
}

/// Peer and local address of a connected socket.
pub(crate) fn addresses(
    socket: &socket2::Socket,
) -> io::Result<(std::net::SocketAddr, std::net::SocketAddr)> {
    let peer = socket.peer_addr()?.as_socket().ok_or(io::ErrorKind::InvalidData)?;
    let local = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::InvalidData)?;
    Ok((peer, local))
}
