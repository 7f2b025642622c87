//! Connections that were handed to this shard and not yet taken.

use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;

use millrace_rt::Signal;

/// What other shards, or this one, handed over; opaque to the engine.
#[derive(Default)]
pub(crate) struct Arrivals {
    parcels: RefCell<VecDeque<Box<dyn Any + Send>>>,
    came: Signal,
}

impl Arrivals {
    pub(crate) fn push(&self, parcel: Box<dyn Any + Send>) {
        self.parcels.borrow_mut().push_back(parcel);
        self.came.notify_all();
    }

    /// Dropping the future takes no parcel.
    pub(crate) async fn next(&self) -> Box<dyn Any + Send> {
        loop {
            let parcel = self.parcels.borrow_mut().pop_front();
            match parcel {
                Some(parcel) => return parcel,
                None => self.came.wait().await,
            }
        }
    }
}
