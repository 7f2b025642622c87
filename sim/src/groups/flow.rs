//! What members and the course of a run tell each other; all on one thread,
//! outside of the simulated machines.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use millrace_wire::Uuid;

use super::ledger::GroupLedger;
use super::plan::GroupsPlan;
use crate::broker::boot::{BROKER, PORT};
use crate::broker::client::Broken;

/// How often somebody who waits looks again.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// Shared by every client of a run.
#[derive(Clone)]
pub(crate) struct GroupFlow {
    pub(crate) plan: Rc<GroupsPlan>,
    pub(crate) ledger: Rc<RefCell<GroupLedger>>,
    state: Rc<GroupFlowState>,
}

#[derive(Default)]
struct GroupFlowState {
    /// By topic; empty while they are not created.
    topic_ids: RefCell<Vec<Uuid>>,
    /// Nothing befalls members any more.
    is_healing: Cell<bool>,
    looks_asked: Cell<u32>,
    looks_done: Cell<u32>,
}

impl GroupFlow {
    pub(crate) fn new(plan: &Rc<GroupsPlan>) -> GroupFlow {
        let ledger = Rc::new(RefCell::new(GroupLedger::new(Rc::clone(plan))));
        GroupFlow { plan: Rc::clone(plan), ledger, state: Rc::default() }
    }

    pub(crate) fn broker(&self) -> SocketAddr {
        SocketAddr::from((BROKER, PORT))
    }

    /// Whether the member `who` has left, by how it ended with its connection. One that was told nonsense
    /// says so and does nothing more.
    pub(crate) async fn has_left(&self, who: &str, served: Result<(), Broken>) -> bool {
        match served {
            Ok(()) => true,
            Err(Broken::Ended) => false,
            Err(Broken::Nonsense(reason)) => {
                self.ledger.borrow_mut().violate(format!("{who}: {reason}"));
                std::future::pending().await
            }
        }
    }

    pub(crate) fn topics_are(&self, ids: Vec<Uuid>) {
        *self.state.topic_ids.borrow_mut() = ids;
    }

    pub(crate) fn topic_ids(&self) -> Vec<Uuid> {
        self.state.topic_ids.borrow().clone()
    }

    pub(crate) async fn until_topics(&self) {
        while self.state.topic_ids.borrow().is_empty() {
            millrace_rt::sleep(LOOK_AGAIN).await;
        }
    }

    pub(crate) fn heal(&self) {
        self.state.is_healing.set(true);
    }

    pub(crate) fn is_healing(&self) -> bool {
        self.state.is_healing.get()
    }

    /// Asks for a look at every group that begins from now on.
    pub(crate) fn ask_for_look(&self) {
        self.state.looks_asked.set(self.state.looks_asked.get() + 1);
    }

    pub(crate) fn looks_asked(&self) -> u32 {
        self.state.looks_asked.get()
    }

    /// Everything that was asked for before the look began is done.
    pub(crate) fn looked(&self, asked_before: u32) {
        self.state.looks_done.set(asked_before);
    }

    pub(crate) fn has_looked(&self) -> bool {
        self.state.looks_done.get() == self.state.looks_asked.get()
    }
}
