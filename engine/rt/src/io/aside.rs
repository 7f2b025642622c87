//! Computations that would hold a shard for long: on a thread of their own.

use std::sync::{Arc, Mutex, PoisonError};

use crate::io::fs::request;
use crate::submission::operation::{DiskRequest, Work};

/// Has `work` done off the shard, and answers with its result. The few threads for that are shared by all
/// shards, and not with the calls on paths: callers bound how much they have done at once. In a world it
/// takes seeded time. Dropping the future does not stop the work.
pub async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let place = Arc::new(Mutex::new(None));
    let result = Arc::clone(&place);
    let work = Work::new(move || {
        let value = work();
        *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
    });
    let answered = request(DiskRequest::Work(work)).await;
    let value = place.lock().unwrap_or_else(PoisonError::into_inner).take();
    match value {
        Some(value) => value,
        None => panic!("work aside was not done: {:?}", answered.err()),
    }
}
