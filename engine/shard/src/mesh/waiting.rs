//! Requests of other shards that may have to wait for the disk, in the order in which they came.

use std::cell::RefCell;
use std::collections::VecDeque;

use millrace_rt::{Respond, Signal};

use crate::mesh::calls::{ShardRequest, ShardResponse};

/// Requests that may wait for the disk.
#[derive(Default)]
pub(crate) struct WaitingRequests {
    requests: RefCell<VecDeque<(ShardRequest, Respond<ShardResponse>)>>,
    came: Signal,
}

impl WaitingRequests {
    pub(crate) fn push(&self, request: ShardRequest, respond: Respond<ShardResponse>) {
        self.requests.borrow_mut().push_back((request, respond));
        self.came.notify_all();
    }

    fn queued(&self) -> usize {
        self.requests.borrow().len()
    }

    pub(crate) async fn next(&self) -> (ShardRequest, Respond<ShardResponse>) {
        loop {
            let request = self.requests.borrow_mut().pop_front();
            match request {
                Some(request) => return request,
                None => self.came.wait().await,
            }
        }
    }
}

/// The lanes of requests that may wait.
#[derive(Default)]
pub(crate) struct WaitingLanes {
    /// Reads of other shards' connections that have to wait for the disk.
    pub(crate) reads: WaitingRequests,
    pub(crate) others: WaitingRequests,
}

impl WaitingLanes {
    /// Requests that nobody serves yet.
    pub(crate) fn queued(&self) -> usize {
        self.reads.queued() + self.others.queued()
    }
}
