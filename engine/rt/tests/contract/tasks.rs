//! Tasks, timers, signals, oneshots, gates, select and timeout.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use millrace_rt::{Either, Gate, Signal, aside, now, oneshot, select, sleep, spawn, timeout, yield_now};

use crate::host::on_both;

const SHORT: Duration = Duration::from_millis(2);
const LONG: Duration = Duration::from_secs(30);

#[test]
fn a_task_gives_its_result_and_goes_on_when_detached() {
    on_both("task", 1, |_| async {
        assert_eq!(spawn(async { 7 }).await, 7);
        let (sender, receiver) = oneshot::channel();
        drop(spawn(async move {
            yield_now().await;
            sender.send(8).unwrap();
        }));
        assert_eq!(receiver.await, Some(8));
    });
}

#[test]
fn work_aside_gives_its_result_and_goes_on_when_nobody_waits() {
    on_both("aside", 1, |_| async {
        let text = "abc".to_owned();
        assert_eq!(aside(move || text.len()).await, 3);
        let gate = Gate::new();
        let opened = gate.clone();
        let _ = timeout(Duration::ZERO, aside(move || opened.open())).await;
        assert_eq!(timeout(LONG, gate.wait()).await, Some(()));
    });
}

#[test]
fn a_task_never_runs_inside_the_call_that_spawns_it() {
    on_both("spawning", 1, |_| async {
        let ran = Rc::new(Cell::new(false));
        let seen = Rc::clone(&ran);
        let task = spawn(async move {
            let seen_inside = Rc::clone(&seen);
            drop(spawn(async move { seen_inside.set(true) }));
            assert!(!seen.get(), "a task's task waits too");
        });
        assert!(!ran.get(), "the spawner may hold what the task needs");
        task.await;
        // Its turn comes; in the simulated world the order of turns is drawn.
        while !ran.get() {
            yield_now().await;
        }
    });
}

#[test]
fn timers_fire_in_the_order_of_their_deadlines() {
    on_both("timers", 1, |_| async {
        let order = Rc::new(RefCell::new(Vec::new()));
        let begin = now();
        let tasks: Vec<_> = [30, 10, 20]
            .map(|millis| {
                let order = Rc::clone(&order);
                spawn(async move {
                    sleep(Duration::from_millis(millis)).await;
                    assert!(now() - begin >= Duration::from_millis(millis));
                    order.borrow_mut().push(millis);
                })
            })
            .into();
        for task in tasks {
            task.await;
        }
        assert_eq!(*order.borrow(), [10, 20, 30]);
    });
}

#[test]
fn a_signal_wakes_all_who_began_to_wait_before_it() {
    on_both("signal", 1, |_| async {
        let signal = Signal::new();
        let woken = Rc::new(Cell::new(0));
        let tasks: Vec<_> = (0..3)
            .map(|_| {
                let (wait, woken) = (signal.wait(), Rc::clone(&woken));
                spawn(async move {
                    wait.await;
                    woken.set(woken.get() + 1);
                })
            })
            .collect();
        let dropped = signal.wait();
        drop(dropped);
        signal.notify_all();
        for task in tasks {
            task.await;
        }
        assert_eq!(woken.get(), 3);
        assert_eq!(timeout(SHORT, signal.wait()).await, None);
    });
}

#[test]
fn a_oneshot_tells_when_its_sender_is_gone() {
    on_both("oneshot", 1, |_| async {
        let (sender, receiver) = oneshot::channel::<u8>();
        drop(sender);
        assert_eq!(receiver.await, None);
        let (sender, receiver) = oneshot::channel();
        drop(receiver);
        assert!(sender.is_closed());
        assert_eq!(sender.send(3), Err(3));
    });
}

#[test]
fn select_and_timeout_take_the_first() {
    on_both("select", 1, |_| async {
        let slow = async {
            sleep(LONG).await;
            1
        };
        assert_eq!(select(slow, async { 2 }).await, Either::Right(2));
        assert_eq!(timeout(LONG, async { 3 }).await, Some(3));
        assert_eq!(timeout(SHORT, std::future::pending::<u8>()).await, None);
    });
}

#[test]
fn a_gate_opened_anywhere_lets_every_shard_through() {
    let gate = Gate::new();
    let inside = gate.clone();
    on_both("gate", 2, move |place| {
        let gate = inside.clone();
        async move {
            assert!(timeout(SHORT, Gate::new().wait()).await.is_none());
            if place.seat.shard == 1 {
                sleep(SHORT).await;
                gate.open();
            }
            gate.wait().await;
            assert!(gate.is_open());
        }
    });
    gate.open();
}

#[test]
fn a_yielding_task_does_not_keep_timers_from_firing() {
    on_both("yield", 1, |_| async {
        let stop = Rc::new(Cell::new(false));
        let seen = Rc::clone(&stop);
        let busy = spawn(async move {
            while !seen.get() {
                yield_now().await;
            }
        });
        sleep(SHORT).await;
        stop.set(true);
        busy.await;
    });
}
