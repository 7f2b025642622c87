//! The mesh: order, back-pressure, replies, requests to oneself.

use std::time::Duration;

use millrace_rt::{sleep, spawn, timeout, yield_now};

use crate::host::with_mesh;

const REQUESTS: u64 = 3_000;
const LANE: usize = 8;

#[test]
fn requests_arrive_in_order_and_each_gets_its_reply() {
    with_mesh("fifo", 3, LANE, |place, end| async move {
        let mesh = end.attach();
        let me = place.seat.shard;
        let server = mesh.clone();
        let serving = spawn(async move {
            let mut next = [0u64; 3];
            for _ in 0..3 * REQUESTS {
                let incoming = server.next().await;
                let expected = &mut next[usize::from(incoming.from)];
                assert_eq!(incoming.request, *expected, "from {}", incoming.from);
                *expected += 1;
                incoming.respond.send(incoming.request * 2 + u64::from(me));
            }
        });
        let mut replies = Vec::new();
        for request in 0..REQUESTS {
            for to in 0..3u16 {
                replies.push((to, request, mesh.admit(to, request).await));
            }
        }
        for (to, request, reply) in replies {
            assert_eq!(reply.await, request * 2 + u64::from(to));
        }
        serving.await;
    });
}

#[test]
fn a_full_lane_holds_its_senders_back_in_order() {
    with_mesh("full", 2, LANE, |place, end| async move {
        let mesh = end.attach();
        if place.seat.shard == 1 {
            place.gate.wait().await;
            for expected in 0..20u64 {
                let incoming = mesh.next().await;
                assert_eq!(incoming.request, expected);
                incoming.respond.send(());
            }
            return;
        }
        let replies: Vec<_> = (0..LANE as u64).map(|n| mesh.try_admit(1, n).ok().unwrap()).collect();
        assert!(mesh.try_admit(1, 99).is_err());
        let gone = timeout(Duration::from_millis(1), mesh.admit(1, 98)).await;
        assert!(gone.is_none());
        let mut waiting = Vec::new();
        for request in LANE as u64..20 {
            let mesh = mesh.clone();
            waiting.push(spawn(async move { mesh.admit(1, request).await.await }));
            sleep(Duration::from_millis(1)).await;
        }
        place.gate.open();
        for reply in replies {
            reply.await;
        }
        for task in waiting {
            task.await;
        }
    });
}

#[test]
fn a_dropped_reply_is_still_served() {
    with_mesh("dropped", 2, LANE, |place, end| async move {
        let mesh = end.attach();
        if place.seat.shard == 0 {
            drop(mesh.admit(1, 1u32).await);
            assert_eq!(mesh.admit(1, 2).await.await, 2);
            return;
        }
        for expected in [1, 2] {
            let incoming = mesh.next().await;
            assert_eq!(incoming.request, expected);
            incoming.respond.send(expected);
        }
    });
}

#[test]
fn a_busy_shard_still_answers() {
    with_mesh("busy", 2, LANE, |place, end| async move {
        let mesh = end.attach();
        if place.seat.shard == 0 {
            for request in 0..50u32 {
                assert_eq!(mesh.admit(1, request).await.await, request);
            }
            return;
        }
        let stop = std::rc::Rc::new(std::cell::Cell::new(false));
        let seen = std::rc::Rc::clone(&stop);
        let busy = spawn(async move {
            while !seen.get() {
                yield_now().await;
            }
        });
        for _ in 0..50 {
            let incoming = mesh.next().await;
            incoming.respond.send(incoming.request);
        }
        stop.set(true);
        busy.await;
    });
}
