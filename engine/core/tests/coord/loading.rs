//! Logs that no broker of today writes, and what a start makes of them.

use millrace_core::base::TimestampMs;
use millrace_core::coord::*;

use crate::stage::Stage;

fn of_consumers(record: ConsumerRecord) -> CoordinatorRecord {
    CoordinatorRecord::Consumer { group: GroupId::new("g"), record }
}

/// A group without members became a classic one, and the write of its tombstones failed.
#[test]
fn a_start_makes_good_for_tombstones_that_were_not_written() {
    let mut stage = Stage::new(Stage::defaults());
    let classic = GroupMetadata {
        protocol_type: Some("consumer".into()),
        generation: Generation(1),
        protocol: None,
        leader: None,
        state_timestamp: TimestampMs(0),
        members: Vec::new(),
    };
    stage.log = vec![
        of_consumers(ConsumerRecord::Epoch(Some(GroupEpoch { epoch: Epoch(3), metadata_hash: 0 }))),
        CoordinatorRecord::Group { group: GroupId::new("g"), value: Some(classic) },
    ];
    stage.restart();
    let tombstones = [ConsumerRecord::TargetEpoch(None), ConsumerRecord::Epoch(None)].map(of_consumers);
    assert_eq!(stage.held.front().map(|(_, records)| records.to_vec()), Some(tombstones.to_vec()));
    stage.complete(Ok(()));
    stage.restart();
    assert!(stage.held.is_empty(), "{:?}", stage.held);
    let listed = stage.coordinator.list(&GroupFilter::default());
    assert_eq!(listed.first().map(|group| group.status.group_type()), Some("classic"));
}
