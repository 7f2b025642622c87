//! The memory that responses of one shard's connections hold until their peers have taken them.

use std::rc::Rc;

use millrace_core::base::egress::{
    EGRESS_BYTES_MIN, EgressGrant, GrantKind, egress_admits_others, egress_grant, egress_is_short,
};
use millrace_core::base::measure::Counter;
use millrace_rt::{ByteBudget, ByteCharge, Moment};

use crate::device::disk_classes::DiskClasses;

/// While commits come and go: 0.01 ms. Sends of 128 KiB made commits beside a reader take 1.6 times as long
/// at their 90th percentile, and brought the reader a seventh less.
const SEND_BYTES_BESIDE_COMMITS: usize = 32 * 1024;
/// While none do: 0.15 ms. A reader of memory gets 4.3 to 5.3 GB/s in sends of 640 KiB to 1 MiB, 3.8 in
/// shorter ones, which wake it more often, and 3.7 in those of a whole response,
/// which is cold when it is read.
const SEND_BYTES: usize = 768 * 1024;

/// Lives on one shard, shared by its connections. Fetches that find no room wait in line,
/// so that none is starved.
pub struct EgressBudget {
    classes: Rc<DiskClasses>,
    budget: Rc<ByteBudget>,
    /// Fetches that got a part of what they asked for.
    cut: Counter,
    /// Fetches that shrank to one batch.
    single: Counter,
}

/// One budget at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct EgressStats {
    pub bytes: u64,
    pub bytes_max: u64,
    pub cut: u64,
    pub single: u64,
    pub waits: u64,
}

/// The bytes of the budget that a response holds until this is dropped.
pub type EgressCharge = ByteCharge;

impl EgressBudget {
    pub(crate) fn new(bytes_max: u64, classes: Rc<DiskClasses>) -> Rc<EgressBudget> {
        Rc::new(EgressBudget {
            classes,
            budget: ByteBudget::new(bytes_max.max(EGRESS_BYTES_MIN)),
            cut: Counter::default(),
            single: Counter::default(),
        })
    }

    /// The most that one send may take of a turn: the kernel copies it before the turn goes on.
    pub(crate) fn send_bytes_max(&self) -> usize {
        match self.classes.are_commits_active() {
            true => SEND_BYTES_BESIDE_COMMITS,
            false => SEND_BYTES,
        }
    }

    /// Counts a response of `bytes`, even if they are not free.
    pub fn charge(&self, bytes: u64) -> EgressCharge {
        self.budget.charge(bytes)
    }

    /// Waits until a request other than a fetch may begin. Dropping the future leaves nothing behind.
    pub async fn until_room(&self) {
        self.budget.wait_until(|in_use| egress_admits_others(self.budget.bytes_max(), in_use)).await;
    }

    /// Whether peers that take nothing are in the way of others.
    pub fn is_short(&self) -> bool {
        egress_is_short(self.budget.bytes_max(), self.budget.bytes())
    }

    pub fn stats(&self) -> EgressStats {
        EgressStats {
            bytes: self.budget.bytes(),
            bytes_max: self.budget.bytes_max(),
            cut: self.cut.get(),
            single: self.single.get(),
            waits: self.budget.waits(),
        }
    }

    /// Takes room for a fetch that wants `wanted` bytes; nothing if there is none by the deadline.
    /// Dropping the future leaves the line.
    pub(crate) async fn reserve(&self, wanted: u64, deadline: Moment) -> Option<(EgressGrant, EgressCharge)> {
        let grant = |in_use| {
            let grant = egress_grant(self.budget.bytes_max(), in_use, wanted)?;
            Some((grant.bytes, grant))
        };
        let (charge, grant) = self.budget.reserve_by(deadline, grant).await?;
        match grant.kind {
            GrantKind::Whole => {}
            GrantKind::Cut => self.cut.increment(),
            GrantKind::Single => self.single.increment(),
        }
        Some((grant, charge))
    }
}
