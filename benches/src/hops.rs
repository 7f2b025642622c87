//! Two shards of the real runtime that ask each other over the mesh.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use millrace_rt::{Mesh, MeshEnd, Settings};

/// Requests that a lane holds.
pub const LANE: usize = 256;
const MEMORY_BYTES: u64 = 16 << 20;

/// What so many requests from one shard to another and back take, `in_flight` of them at a time: alone each
/// wakes a parked shard twice, together they find it busy.
pub fn hops(requests: u64, in_flight: usize) -> Duration {
    assert!((1..=LANE).contains(&in_flight), "a lane holds no more");
    let ends: Vec<_> = millrace_rt::mesh(2, LANE).into_iter().map(|end| Mutex::new(Some(end))).collect();
    let (ends, taken) = (Arc::new(ends), Arc::new(Mutex::new(Duration::ZERO)));
    let measured = Arc::clone(&taken);
    let directory = std::env::temp_dir();
    let settings = Settings { shards: 2, memory_bytes: MEMORY_BYTES, directory, name: "hop".to_owned() };
    let run = millrace_rt::run(settings, move |seat| {
        let (end, measured) = (take_end(&ends, seat.shard), Arc::clone(&measured));
        async move {
            let mesh = end.attach();
            if seat.shard == 0 {
                let took = ask(&mesh, requests, in_flight).await;
                *measured.lock().unwrap_or_else(PoisonError::into_inner) = took;
            } else {
                answer(&mesh, requests).await;
            }
        }
    });
    assert!(run.is_ok(), "this machine runs shards");
    *taken.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take_end(ends: &[Mutex<Option<MeshEnd<u64, u64>>>], shard: u16) -> MeshEnd<u64, u64> {
    let end = ends.get(usize::from(shard)).and_then(|end| end.lock().ok()?.take());
    let Some(end) = end else { unreachable!("each shard takes its end once") };
    end
}

async fn ask(mesh: &Mesh<u64, u64>, requests: u64, in_flight: usize) -> Duration {
    let begun = millrace_rt::now();
    let mut left = requests;
    while left > 0 {
        let together = left.min(in_flight as u64);
        let mut replies = Vec::with_capacity(in_flight);
        for request in 0..together {
            replies.push(mesh.admit(1, request).await);
        }
        for reply in replies {
            reply.await;
        }
        left -= together;
    }
    millrace_rt::now() - begun
}

async fn answer(mesh: &Mesh<u64, u64>, requests: u64) {
    for _ in 0..requests {
        let incoming = mesh.next().await;
        incoming.respond.send(incoming.request);
    }
}
