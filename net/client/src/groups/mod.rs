//! Consumer groups of a cluster: which there are, who is in them, and what they committed.

mod group;
mod requests;

pub use group::{Group, GroupMember};
pub use requests::ListedGroup;
pub(crate) use requests::{Committer, OFFSET_COMMIT, OFFSET_FETCH, answered, commit_request};
