//! The passage of virtual time: which task or event comes next, and carrying it out.

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::kernel::process_now;
use crate::moment::Moment;
use crate::shard;
use crate::submission::names::ShardKey;
use crate::submission::notes::Note;
use crate::submission::slots::SlotId;
use crate::twin::state::{Event, Performed};
use crate::world::nodes::World;

/// A turn of a task that has much to compute: up to what the house allows one.
const LONG_TURN_NANOS: std::ops::Range<u64> = 1_000_000..20_000_000;

/// What can happen next.
#[derive(Clone, Copy)]
enum Step {
    Event,
    Timer(ShardKey),
    Task(ShardKey),
}

impl World {
    /// Runs until `done` says so (true), or `limit` has passed or nothing can ever happen again (false;
    /// the trace tells which).
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut() -> bool) -> bool {
        let end = self.twin.borrow().now + limit;
        let mut finished = done();
        while !finished {
            match self.next_step() {
                Some((moment, step)) if moment <= end => self.take_step(moment, step),
                Some(_) => {
                    self.twin.borrow_mut().now = end;
                    self.twin.borrow_mut().line("the limit of time is reached");
                    break;
                }
                None => {
                    self.twin.borrow_mut().line("nothing can happen any more");
                    break;
                }
            }
            finished = done();
        }
        self.collect_lines();
        finished
    }

    /// Lets `duration` pass.
    pub fn run_for(&mut self, duration: Duration) {
        let end = self.twin.borrow().now + duration;
        while let Some((moment, step)) = self.next_step().filter(|(moment, _)| *moment <= end) {
            self.take_step(moment, step);
        }
        let mut twin = self.twin.borrow_mut();
        twin.now = twin.now.max(end);
        drop(twin);
        self.collect_lines();
    }

    /// The virtual time.
    pub fn now(&self) -> Moment {
        self.twin.borrow().now
    }

    fn collect_lines(&mut self) {
        self.trace.append(&mut self.twin.borrow_mut().lines);
    }

    /// The earliest; events before timers before tasks where the moment is the same.
    fn next_step(&mut self) -> Option<(Moment, Step)> {
        self.settle();
        let now = self.twin.borrow().now;
        let event = self.twin.borrow().next_event().map(|moment| (moment, Step::Event));
        let timers = self.living.iter().filter_map(|(key, living)| {
            living.shard.timers.next_deadline().map(|moment| (moment.max(now), Step::Timer(*key)))
        });
        let tasks = self.living.iter().filter(|(_, living)| !living.ready.is_empty());
        let tasks = tasks.map(|(key, living)| (living.busy_until.max(now), Step::Task(*key)));
        event.into_iter().chain(timers).chain(tasks).min_by_key(|(moment, _)| *moment)
    }

    /// Works off what wakers, bells and dropped handles noted, and takes in new tasks.
    fn settle(&mut self) {
        let spawned = std::mem::take(&mut self.twin.borrow_mut().spawned);
        let notes = std::sync::Arc::clone(&self.twin.borrow().notes);
        for (key, body) in spawned {
            let task = self.tasks.add(key, body, &notes);
            self.make_ready(task);
        }
        for note in notes.take() {
            match note {
                Note::Wake(task) => self.make_ready(task),
                Note::Bell(key) => self.twin.borrow_mut().ring(key),
                Note::SocketClosed(id) => {
                    let twin = &mut *self.twin.borrow_mut();
                    twin.network.close(id, twin.now, &mut twin.chance);
                    twin.settle_network();
                }
            }
        }
    }

    fn make_ready(&mut self, task: u64) {
        if let Some(key) = self.tasks.shard_of(task)
            && let Some(living) = self.living.get_mut(&key)
        {
            living.ready.push(task);
        }
    }

    fn take_step(&mut self, moment: Moment, step: Step) {
        let mut twin = self.twin.borrow_mut();
        twin.now = twin.now.max(moment);
        let now = twin.now;
        let event = if matches!(step, Step::Event) { twin.pop_event() } else { None };
        drop(twin);
        match step {
            Step::Event => {
                if let Some(event) = event {
                    self.carry_out(event);
                }
            }
            Step::Timer(key) => {
                if let Some(living) = self.living.get(&key) {
                    living.shard.timers.fire(now);
                }
            }
            Step::Task(key) => self.run_task(key),
        }
    }

    fn carry_out(&mut self, event: Event) {
        match event {
            Event::Operation(key, id) => self.run_operation(key, id),
            Event::Cancel(key, id) => {
                if self.twin.borrow_mut().forget(key, id) {
                    let cancelled = io::Error::from_raw_os_error(libc::ECANCELED);
                    let slots = self.twin.borrow().slots(key);
                    if let Some(slots) = slots {
                        slots.complete(id, Err(cancelled));
                    }
                }
            }
            Event::Attend(key) => {
                if let Some(living) = self.living.get(&key) {
                    let shard = Rc::clone(&living.shard);
                    let before = shard::swap_current(Some(Rc::clone(&shard)));
                    shard.attend();
                    shard::swap_current(before);
                }
            }
            Event::Arrival(socket) => {
                let mut twin = self.twin.borrow_mut();
                twin.network.arrived(socket);
                twin.settle_network();
            }
        }
    }

    fn run_operation(&mut self, key: ShardKey, id: SlotId) {
        let performed = self.twin.borrow_mut().perform(key, id);
        match performed {
            Performed::Answered(answer) => {
                let slots = self.twin.borrow().slots(key);
                if let Some(slots) = slots {
                    slots.complete(id, answer);
                }
            }
            Performed::Waiting => {}
            Performed::Crash(kind) => self.crash_node(key.node, kind),
        }
    }

    /// Polls one of the shard's ready tasks, whichever chance picks,
    /// and lets its processor be busy for a while.
    fn run_task(&mut self, key: ShardKey) {
        let mut twin = self.twin.borrow_mut();
        let now = twin.now;
        let Some(living) = self.living.get_mut(&key) else { return };
        let task = living.ready.swap_remove(twin.chance.index(living.ready.len()));
        let longest = self.options.compute_nanos_max.max(10);
        let turn = match self.options.long_turn_one_in.is_some_and(|polls| twin.chance.one_in(polls)) {
            true => LONG_TURN_NANOS,
            false => longest / 10..longest,
        };
        living.busy_until = now + twin.chance.nanos(turn);
        let shard = Rc::clone(&living.shard);
        drop(twin);
        let Some(mut taken) = self.tasks.take(task) else { return };
        let before = shard::swap_current(Some(Rc::clone(&shard)));
        let begun = process_now();
        let polled = taken.body.as_mut().poll(&mut Context::from_waker(&taken.waker));
        if let Some(longest) = self.longest_turns.get(&key.node) {
            longest.set(longest.get().max(process_now() - begun));
        }
        match polled {
            Poll::Pending => self.tasks.put_back(taken.task, taken.body),
            Poll::Ready(()) => {
                drop(taken.body);
                self.tasks.remove(taken.task);
            }
        }
        if self.options.checks_invariants {
            shard.check();
        }
        shard::swap_current(before);
        self.end_if_asked(key.node);
    }
}
