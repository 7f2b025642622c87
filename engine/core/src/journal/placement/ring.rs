//! Where frames stand in the ring in shared memory, and which part of it is free.

use std::collections::VecDeque;

/// Places of sealed frames that are not on the device yet, oldest first.
///
/// Holds always: no frame crosses the ring's end; no two frames overlap.
#[derive(Debug)]
pub(crate) struct RingSpace {
    capacity: usize,
    /// Where the next frame goes if it fits before the end.
    head: usize,
    /// Start and length of each frame held.
    held: VecDeque<(usize, usize)>,
}

impl RingSpace {
    pub(crate) fn new(capacity: usize) -> RingSpace {
        RingSpace { capacity, head: 0, held: VecDeque::new() }
    }

    /// Place for a frame of `len` bytes; None while older frames stand there.
    pub(crate) fn place(&self, len: usize) -> Option<usize> {
        let (ahead, from_start) = self.free();
        if len <= ahead {
            Some(self.head)
        } else if len <= from_start {
            Some(0)
        } else {
            None
        }
    }

    /// The longest frame that has a place.
    pub(crate) fn room(&self) -> usize {
        let (ahead, from_start) = self.free();
        ahead.max(from_start)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Takes the place that `place` named.
    pub(crate) fn take(&mut self, at: usize, len: usize) {
        assert_eq!(self.place(len), Some(at), "a frame goes where there is room for it");
        self.held.push_back((at, len));
        self.head = at + len;
    }

    /// The oldest frame is on the device: its place is free. An empty ring begins at its start again, where
    /// the processor's cache still has it.
    pub(crate) fn free_oldest(&mut self) {
        let freed = self.held.pop_front();
        assert!(freed.is_some(), "only frames held are freed");
        if self.held.is_empty() {
            self.head = 0;
        }
    }

    /// Bytes free from the head on, and from the ring's start on.
    fn free(&self) -> (usize, usize) {
        match self.held.front() {
            None => (self.capacity - self.head, self.capacity),
            Some(&(oldest, _)) if self.head > oldest => (self.capacity - self.head, oldest),
            // The frames go around the end.
            Some(&(oldest, _)) => (oldest - self.head, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `+n` seals a frame of n, `-` frees the oldest; the places follow, `x` for none.
    fn check(script: &str, places: &str) {
        let mut ring = RingSpace::new(10);
        let mut found = Vec::new();
        for step in script.split(' ') {
            let Some(len) = step.strip_prefix('+') else {
                ring.free_oldest();
                continue;
            };
            let len = len.parse().unwrap();
            assert_eq!(ring.place(len).is_some(), len <= ring.room(), "{script}: {step}");
            let Some(at) = ring.place(len) else {
                found.push("x".to_owned());
                continue;
            };
            ring.take(at, len);
            found.push(at.to_string());
        }
        assert_eq!(found.join(" "), places, "{script}");
    }

    #[test]
    fn frames_take_the_ring_around() {
        check("+4 +4 +2 +1 - +4 +1", "0 4 8 x 0 x");
        check("+4 +4 - +3 - +1 +7", "0 4 0 3 x");
        check("+10 +1 - +10", "0 x 0");
        check("+6 - +6", "0 0");
        check("+6 - +4 +1", "0 0 4");
        check("+6 +2 - +2 - - +4", "0 6 8 0");
        check("+3 +3 +3 - +2 +1 +1", "0 3 6 0 2 x");
    }
}
