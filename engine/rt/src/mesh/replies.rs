//! The way back: a lock-free stack of replies per requesting shard.
//! Room for each reply is taken with the request.
#![allow(unsafe_code)]
// `unsafe` here: an intrusive stack of boxed nodes. Each node is owned by exactly one place: the responder,
// the stack, or whoever took the whole stack.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// The reserved room of one reply: allocated by the request, filled by the responder.
pub(super) struct ReplyRoom<R> {
    next: *mut ReplyRoom<R>,
    pub(super) token: u64,
    pub(super) value: Option<R>,
}

// SAFETY: `next` is only used while the node is in a stack; the value itself is Send.
unsafe impl<R: Send> Send for ReplyRoom<R> {}

impl<R> ReplyRoom<R> {
    pub(super) fn reserve(token: u64) -> Box<ReplyRoom<R>> {
        Box::new(ReplyRoom { next: ptr::null_mut(), token, value: None })
    }
}

pub(super) struct Replies<R> {
    head: AtomicPtr<ReplyRoom<R>>,
}

// SAFETY: nodes move between threads through the atomic head only.
unsafe impl<R: Send> Send for Replies<R> {}
// SAFETY: as above.
unsafe impl<R: Send> Sync for Replies<R> {}

impl<R> Replies<R> {
    pub(super) fn new() -> Replies<R> {
        Replies { head: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Never waits and never allocates.
    pub(super) fn push(&self, room: Box<ReplyRoom<R>>) {
        let node = Box::into_raw(room);
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            // SAFETY: the node is ours until the exchange succeeds.
            unsafe { (*node).next = head };
            match self.head.compare_exchange_weak(head, node, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// All replies so far, oldest first.
    pub(super) fn take_all(&self) -> Vec<Box<ReplyRoom<R>>> {
        if self.head.load(Ordering::Relaxed).is_null() {
            return Vec::new();
        }
        let mut node = self.head.swap(ptr::null_mut(), Ordering::Acquire);
        let mut replies = Vec::new();
        while !node.is_null() {
            // SAFETY: taken as a whole by the swap, so each node is ours; it came from `Box::into_raw`.
            let room = unsafe { Box::from_raw(node) };
            node = room.next;
            replies.push(room);
        }
        replies.reverse();
        replies
    }
}

impl<R> Drop for Replies<R> {
    fn drop(&mut self) {
        drop(self.take_all());
    }
}
