//! A member of a classic consumer group as a machine without sockets or clocks: what it asks,
//! and what it makes of answers.

mod answers;
mod asking;
#[cfg(test)]
mod cases;
mod machine;
mod protocol;
mod range;
mod requests;
mod state;

pub(crate) use protocol::{
    PROTOCOL_TYPE, read_assignment, read_subscription, write_assignment, write_subscription,
};
pub(crate) use range::{ASSIGNOR, Subscriber};
pub(crate) use requests::{Action, Answer, Asked, Generation, Joined, Request};
pub use requests::{AssignmentId, Commits, GroupSettings, Notice};
pub(crate) use state::Member;
