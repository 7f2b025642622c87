//! Which bytes of a page were summed: a batch is summed once for all who read it from the same memory.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;

/// Bytes of a segment as they were read from its file, and what is known of them. Copies share both.
#[derive(Clone)]
pub(crate) struct PageBytes {
    pub(crate) bytes: Bytes,
    /// Memory that they keep from being freed.
    pub(crate) held: u64,
    pub(crate) summed: Rc<Summed>,
}

impl PageBytes {
    /// As they come from the file: nothing is known of them.
    pub(crate) fn unsummed(bytes: Bytes) -> PageBytes {
        PageBytes { held: bytes.len() as u64, bytes, summed: Rc::default() }
    }

    pub(crate) fn slice(&self, range: std::ops::Range<usize>) -> PageBytes {
        PageBytes { bytes: self.bytes.slice(range), held: self.held, summed: Rc::clone(&self.summed) }
    }
}

/// A run of positions of the segment, whose bytes belong to batches that were found whole with this page's
/// bytes in them. It begins and ends with batches, or with the page. Belongs to the memory:
/// a page that is read again has none.
#[derive(Default)]
pub(crate) struct Summed {
    from: Cell<u64>,
    to: Cell<u64>,
}

impl Summed {
    pub(crate) fn covers(&self, from: u64, to: u64) -> bool {
        self.from.get() <= from && to <= self.to.get()
    }

    /// A batch, or the part of it that lies in the page, was found whole. One run is kept, since readers go
    /// forward: the latest, where this does not touch it.
    pub(crate) fn note(&self, from: u64, to: u64) {
        let touches = from <= self.to.get() && self.from.get() <= to;
        self.from.set(if touches { from.min(self.from.get()) } else { from });
        self.to.set(if touches { to.max(self.to.get()) } else { to });
    }
}

/// Where the bytes of a page lie that a reader has in hand.
pub(crate) struct SummedPart {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) held: u64,
    pub(crate) summed: Rc<Summed>,
}

/// Whether all of `[from, to)` was summed in these parts, which are in order.
pub(crate) fn are_summed(parts: &[SummedPart], from: u64, to: u64) -> bool {
    let mut at = from;
    for part in parts.iter().filter(|part| part.to > from && part.from < to) {
        let end = part.to.min(to);
        if part.from > at || !part.summed.covers(at, end) {
            return false;
        }
        at = end;
    }
    at >= to
}

/// Notes in each part what of `[from, to)` lies in it.
pub(crate) fn note_summed(parts: &[SummedPart], from: u64, to: u64) {
    for part in parts.iter().filter(|part| part.to > from && part.from < to) {
        part.summed.note(part.from.max(from), part.to.min(to));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_grows_with_what_touches_it() {
        // What is noted, and the run behind it.
        let cases = [((10, 20), (10, 20)), ((20, 30), (10, 30)), ((5, 10), (5, 30)), ((8, 12), (5, 30))];
        let summed = Summed::default();
        assert!(!summed.covers(0, 1) && !summed.covers(10, 20));
        for ((from, to), run) in cases.into_iter().chain([((40, 50), (40, 50)), ((0, 7), (0, 7))]) {
            summed.note(from, to);
            assert_eq!((summed.from.get(), summed.to.get()), run, "{from}-{to}");
        }
        assert!(summed.covers(0, 7) && summed.covers(3, 4) && !summed.covers(3, 8));
    }

    #[test]
    fn a_batch_over_two_pages_is_known_where_both_parts_are() {
        let part = |from, to| SummedPart { from, to, held: to - from, summed: Rc::default() };
        let parts = [part(0, 100), part(100, 200)];
        assert!(!are_summed(&parts, 80, 120));
        note_summed(&parts, 80, 120);
        assert!(are_summed(&parts, 80, 120) && are_summed(&parts, 110, 120) && !are_summed(&parts, 80, 130));
        assert!(!are_summed(&parts, 150, 250), "behind them nothing is known");
        let again = [SummedPart { summed: Rc::clone(&parts[0].summed), ..part(0, 100) }, part(100, 200)];
        assert!(!are_summed(&again, 80, 120), "a page that was read again is not known");
        assert!(!are_summed(&parts[1..], 80, 120), "nor is what is not in hand");
    }
}
