//! The coordinator of all groups of one partition of the offsets topic.

mod commit;
mod consumers;
mod counting;
mod deletion;
mod events;
mod invariants;
mod load;
mod machine;
mod membership;
mod room;
mod search;
mod views;

pub use load::Loader;
pub use machine::Coordinator;
pub use views::{
    Described, DescribedConsumer, DescribedConsumerGroup, DescribedGroup, DescribedMember, GroupFigures,
    GroupFilter, ListedGroup,
};
