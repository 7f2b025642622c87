//! A bounded queue from one shard to another: single producer, single consumer, no lock.
#![allow(unsafe_code)]
// `unsafe` here: a ring of uninitialised cells. Sound because `Sender` and `Receiver` are unique (not Clone),
// and each cell is handed over by the release store of the counter that the other side loads with acquire.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Keeps the two counters on cache lines of their own.
#[repr(align(128))]
struct Counter(AtomicUsize);

struct Lane<T> {
    cells: Box<[UnsafeCell<MaybeUninit<T>>]>,
    /// Total taken; written by the receiver.
    taken: Counter,
    /// Total put; written by the sender.
    put: Counter,
    /// The sender waits for room.
    starved: AtomicBool,
}

// SAFETY: values of T move from one thread to the other, each cell has one owner at a time (file head).
unsafe impl<T: Send> Send for Lane<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Lane<T> {}

pub(super) struct LaneSender<T>(Arc<Lane<T>>);
pub(super) struct LaneReceiver<T>(Arc<Lane<T>>);

pub(super) fn lane<T>(capacity: usize) -> (LaneSender<T>, LaneReceiver<T>) {
    assert!(capacity > 0, "a lane without room would never carry anything");
    let lane = Arc::new(Lane {
        cells: (0..capacity).map(|_| UnsafeCell::new(MaybeUninit::uninit())).collect(),
        taken: Counter(AtomicUsize::new(0)),
        put: Counter(AtomicUsize::new(0)),
        starved: AtomicBool::new(false),
    });
    (LaneSender(Arc::clone(&lane)), LaneReceiver(lane))
}

impl<T> Lane<T> {
    fn cell(&self, position: usize) -> *mut MaybeUninit<T> {
        match self.cells.get(position % self.cells.len()) {
            Some(cell) => cell.get(),
            None => unreachable!("a remainder is below the length"),
        }
    }
}

impl<T> LaneSender<T> {
    /// Gives the value back if the lane is full.
    pub(super) fn put(&mut self, value: T) -> Result<(), T> {
        let put = self.0.put.0.load(Ordering::Relaxed);
        if put - self.0.taken.0.load(Ordering::Acquire) == self.0.cells.len() {
            return Err(value);
        }
        // SAFETY: the cell is free (checked above), and only the sender, borrowed exclusively, writes cells.
        unsafe { (*self.0.cell(put)).write(value) };
        self.0.put.0.store(put + 1, Ordering::Release);
        Ok(())
    }

    pub(super) fn has_room(&self) -> bool {
        let put = self.0.put.0.load(Ordering::Relaxed);
        put - self.0.taken.0.load(Ordering::Acquire) < self.0.cells.len()
    }

    /// Asks the receiver to ring when it takes something. Look for room once more afterwards.
    pub(super) fn ask_for_room(&self) {
        self.0.starved.store(true, Ordering::SeqCst);
        std::sync::atomic::fence(Ordering::SeqCst);
    }
}

impl<T> LaneReceiver<T> {
    pub(super) fn take(&mut self) -> Option<T> {
        let taken = self.0.taken.0.load(Ordering::Relaxed);
        if taken == self.0.put.0.load(Ordering::Acquire) {
            return None;
        }
        // SAFETY: the sender has filled the cell (acquire above), and only the receiver,
        // borrowed exclusively, reads.
        let value = unsafe { (*self.0.cell(taken)).assume_init_read() };
        self.0.taken.0.store(taken + 1, Ordering::Release);
        Some(value)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.taken.0.load(Ordering::Relaxed) == self.0.put.0.load(Ordering::Acquire)
    }

    /// True once after the sender asked for room.
    pub(super) fn owes_room(&self) -> bool {
        std::sync::atomic::fence(Ordering::SeqCst);
        self.0.starved.load(Ordering::Relaxed) && self.0.starved.swap(false, Ordering::SeqCst)
    }
}

impl<T> Drop for Lane<T> {
    fn drop(&mut self) {
        let put = *self.put.0.get_mut();
        for position in *self.taken.0.get_mut()..put {
            // SAFETY: both ends are gone; the cells between the counters are filled.
            unsafe { (*self.cell(position)).assume_init_drop() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_is_a_bounded_queue() {
        let (mut sender, mut receiver) = lane(2);
        assert_eq!(sender.put(1), Ok(()));
        assert_eq!(sender.put(2), Ok(()));
        assert_eq!(sender.put(3), Err(3));
        sender.ask_for_room();
        assert_eq!(receiver.take(), Some(1));
        assert!(receiver.owes_room());
        assert!(!receiver.owes_room());
        assert_eq!(sender.put(3), Ok(()));
        assert_eq!((receiver.take(), receiver.take(), receiver.take()), (Some(2), Some(3), None));
    }

    #[test]
    fn what_is_left_in_a_lane_is_dropped() {
        let value = Arc::new(());
        let (mut sender, receiver) = lane(4);
        assert!(sender.put(Arc::clone(&value)).is_ok());
        drop((sender, receiver));
        assert_eq!(Arc::strong_count(&value), 1);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "two real threads are the subject")]
    fn order_holds_between_threads() {
        const COUNT: u64 = 200_000;
        let (mut sender, mut receiver) = lane(64);
        let producer = std::thread::spawn(move || {
            for value in 0..COUNT {
                while sender.put(value).is_err() {
                    std::hint::spin_loop();
                }
            }
        });
        for expected in 0..COUNT {
            let value = loop {
                match receiver.take() {
                    Some(value) => break value,
                    None => std::thread::yield_now(),
                }
            };
            assert_eq!(value, expected);
        }
        assert!(producer.join().is_ok());
    }
}
