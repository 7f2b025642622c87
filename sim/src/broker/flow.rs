//! What clients and the course of a run tell each other; all on one thread,
//! outside of the simulated machines.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use crate::promises::PromiseLedger;

/// How often a client that waits looks again.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_micros(500);

/// Shared by every client of a run.
#[derive(Clone)]
pub(crate) struct BrokerFlow {
    pub(crate) ledger: Rc<RefCell<PromiseLedger>>,
    pub(crate) broker: SocketAddr,
    state: Rc<BrokerFlowState>,
}

#[derive(Default)]
struct BrokerFlowState {
    /// Producers send only while the log is not audited.
    producing: Cell<bool>,
    audits_asked: Cell<u32>,
    audits_done: Cell<u32>,
    power_losses: Cell<u32>,
}

impl BrokerFlow {
    pub(crate) fn new(ledger: Rc<RefCell<PromiseLedger>>, broker: SocketAddr) -> BrokerFlow {
        BrokerFlow { ledger, broker, state: Rc::default() }
    }

    pub(crate) fn set_producing(&self, producing: bool) {
        self.state.producing.set(producing);
    }

    pub(crate) async fn until_producing(&self) {
        while !self.state.producing.get() {
            millrace_rt::sleep(LOOK_AGAIN).await;
        }
    }

    pub(crate) fn is_producing(&self) -> bool {
        self.state.producing.get()
    }

    pub(crate) fn ask_for_audit(&self) {
        self.state.audits_asked.set(self.state.audits_asked.get() + 1);
    }

    pub(crate) fn audit_is_due(&self) -> bool {
        self.state.audits_asked.get() > self.state.audits_done.get()
    }

    pub(crate) fn audit_is_done(&self) {
        self.state.audits_done.set(self.state.audits_done.get() + 1);
    }

    pub(crate) fn power_was_lost(&self) {
        self.state.power_losses.set(self.state.power_losses.get() + 1);
        self.ledger.borrow_mut().lost_power = true;
    }

    pub(crate) fn power_losses(&self) -> u32 {
        self.state.power_losses.get()
    }
}
