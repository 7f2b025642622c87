//! Faults in the hosting of groups that tests plant; see [`Planted`].

use millrace_core::coord::{Coordinator, Described};

use crate::api::Planted;
use crate::device::planted::PlantedFault;
use crate::mesh::group_calls::GroupRequest;

/// Longer than any test waits, and within the broker's limits.
const FOR_EVER_MS: i32 = 1_800_000;

/// Changes the request as the planted fault, if there is one, would have it.
pub(super) fn spoil(planted: PlantedFault, request: GroupRequest, coordinator: &Coordinator) -> GroupRequest {
    match (planted.get(), request) {
        (Some(Planted::GivesAllTheSame), GroupRequest::Sync(mut sync)) => {
            let first = sync.assignments.first().map(|(_, assignment)| assignment.clone());
            sync.assignments
                .iter_mut()
                .zip(first.into_iter().cycle())
                .for_each(|((_, its), first)| *its = first);
            GroupRequest::Sync(sync)
        }
        (Some(Planted::TrustsOldGenerations), GroupRequest::Commit(mut commit)) => {
            if let Described::Found(group) = coordinator.describe(commit.group.as_str())
                && let Some(anybody) = group.members.into_iter().next()
            {
                commit.generation = group.generation;
                (commit.member, commit.instance) = (anybody.member, anybody.instance);
            }
            GroupRequest::Commit(commit)
        }
        (Some(Planted::IgnoresGroupTimeouts), GroupRequest::Join(mut join)) => {
            (join.session_timeout_ms, join.rebalance_timeout_ms) = (FOR_EVER_MS, FOR_EVER_MS);
            GroupRequest::Join(join)
        }
        (_, request) => request,
    }
}
