//! A member of a group that lives: threads that carry out what the machine of `member` asks for.

mod calls;
mod driver;

pub use driver::{Membership, Stopper};
