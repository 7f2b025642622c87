//! The coordinator of all groups of one partition of the offsets topic.

mod commit;
mod deletion;
mod events;
mod load;
mod machine;
mod membership;
mod search;
mod tally;
mod views;

pub use load::Loader;
pub use machine::Coordinator;
pub use tally::GroupTally;
pub use views::{DescribedGroup, DescribedMember, GroupFigures, GroupFilter, ListedGroup};
