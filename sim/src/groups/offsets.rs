//! What groups have committed, as far as the outside knows: every commit bears a number of its own, so that
//! an offset that is fetched tells which commit it is of.

use std::collections::BTreeMap;

use super::offsets_requests::{COMMIT_WITH_EPOCH, Committing, FetchedOffsets};
use super::plan::{GroupsPlan, Place};

/// The offset of a partition in which nothing was committed.
pub(crate) const NOTHING: i64 = -1;

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OffsetFate {
    /// It may have come to be, or will yet.
    Unknown,
    Acknowledged,
    /// It has not come to be and never will.
    Refused,
}

struct Commit {
    offset: i64,
    leader_epoch: i32,
    fate: OffsetFate,
}

struct Partition {
    commits: Vec<Commit>,
    /// Acknowledged, or seen by somebody: never again is there less.
    floor: i64,
}

impl Default for Partition {
    fn default() -> Partition {
        Partition { commits: Vec::new(), floor: NOTHING }
    }
}

/// Commits of all groups.
#[derive(Default)]
pub(crate) struct Offsets {
    partitions: BTreeMap<(usize, Place), Partition>,
}

/// The least that must be there of each partition of a group, at some moment.
pub(crate) type Floors = BTreeMap<Place, i64>;

impl Offsets {
    /// A member is about to commit; answers the commit with its number in the metadata.
    pub(crate) fn send(
        &mut self,
        plan: &GroupsPlan,
        group: usize,
        at: (Place, i64),
        version: i16,
    ) -> Committing {
        let (place, offset) = at;
        let partition = self.partitions.entry((group, place)).or_default();
        let number = partition.commits.len();
        let given = (number % 7) as i32;
        let leader_epoch = if version >= COMMIT_WITH_EPOCH { given } else { -1 };
        partition.commits.push(Commit { offset, leader_epoch, fate: OffsetFate::Unknown });
        Committing { place, offset, leader_epoch, metadata: metadata(plan, group, place, number) }
    }

    pub(crate) fn learn(&mut self, group: usize, committing: &Committing, fate: OffsetFate) {
        let Some(partition) = self.partitions.get_mut(&(group, committing.place)) else { return };
        if fate == OffsetFate::Acknowledged {
            partition.floor = partition.floor.max(committing.offset);
        }
        if let Some(commit) =
            number_of(&committing.metadata).and_then(|number| partition.commits.get_mut(number))
        {
            commit.fate = fate;
        }
    }

    pub(crate) fn floors(&self, group: usize, places: &[Place]) -> Floors {
        let floor = |place| self.partitions.get(&(group, place)).map_or(NOTHING, |known| known.floor);
        places.iter().map(|&place| (place, floor(place))).collect()
    }

    /// Somebody fetched an offset and, when they asked, knew of `floor`. What is wrong with it?
    pub(crate) fn judge(
        &mut self,
        plan: &GroupsPlan,
        group: usize,
        (place, floor): (Place, i64),
        fetched: Option<&FetchedOffsets>,
    ) -> Result<(), String> {
        let what = format!("{} in {}", plan.groups[group].name, described(plan, place));
        let Some(fetched) = fetched.filter(|fetched| fetched.offset != NOTHING) else {
            return match floor {
                NOTHING => Ok(()),
                _ => Err(format!("{what}: offset {floor} was committed, and is gone")),
            };
        };
        let FetchedOffsets { offset, leader_epoch, metadata: text } = fetched;
        if *offset < floor {
            return Err(format!("{what}: the committed offset went back from {floor} to {offset}"));
        }
        let partition = self.partitions.entry((group, place)).or_default();
        let number = number_of(text).filter(|number| *text == metadata(plan, group, place, *number));
        let commit = number.and_then(|number| partition.commits.get(number));
        let Some(commit) = commit.filter(|commit| commit.offset == *offset) else {
            return Err(format!("{what}: nobody committed offset {offset} with {text:?}"));
        };
        if commit.fate == OffsetFate::Refused {
            return Err(format!("{what}: the commit of {offset} was refused, and is there"));
        }
        if leader_epoch.is_some_and(|epoch| epoch != commit.leader_epoch) {
            let given = commit.leader_epoch;
            return Err(format!(
                "{what}: offset {offset} was committed with epoch {given}, not {leader_epoch:?}"
            ));
        }
        partition.floor = partition.floor.max(*offset);
        Ok(())
    }
}

pub(crate) fn described(plan: &GroupsPlan, place: Place) -> String {
    format!("{}-{}", plan.topics[place.topic].name, place.partition)
}

fn metadata(plan: &GroupsPlan, group: usize, place: Place, number: usize) -> String {
    format!("{} {} #{number}", plan.groups[group].name, described(plan, place))
}

fn number_of(metadata: &str) -> Option<usize> {
    metadata.rsplit_once('#')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place { topic: 0, partition: 1 };
    const VERSION: i16 = 10;

    /// Commits offsets 3 and 5, of which the first is acknowledged and the second has the fate given, then
    /// offset 4 of another partition; what is said of what is fetched then?
    fn check(
        fate: OffsetFate,
        fetched: impl Fn(&Committing, &Committing) -> Option<FetchedOffsets>,
        expected: Option<&str>,
    ) {
        let plan = GroupsPlan::new(1);
        let mut offsets = Offsets::default();
        let first = offsets.send(&plan, 0, (PLACE, 3), VERSION);
        let second = offsets.send(&plan, 0, (PLACE, 5), VERSION);
        offsets.learn(0, &first, OffsetFate::Acknowledged);
        offsets.learn(0, &second, fate);
        let floor = offsets.floors(0, &[PLACE])[&PLACE];
        let verdict = offsets.judge(&plan, 0, (PLACE, floor), fetched(&first, &second).as_ref());
        match (verdict, expected) {
            (Ok(()), None) => {}
            (Err(reason), Some(expected)) => assert!(reason.contains(expected), "{reason}"),
            (verdict, expected) => panic!("{verdict:?} where {expected:?} was expected"),
        }
    }

    fn of(committing: &Committing) -> Option<FetchedOffsets> {
        let Committing { offset, leader_epoch, metadata, .. } = committing.clone();
        Some(FetchedOffsets { offset, leader_epoch: Some(leader_epoch), metadata })
    }

    #[test]
    fn what_is_fetched_is_judged() {
        check(OffsetFate::Unknown, |first, _| of(first), None);
        check(OffsetFate::Unknown, |_, second| of(second), None);
        check(OffsetFate::Acknowledged, |_, second| of(second), None);
        check(OffsetFate::Acknowledged, |first, _| of(first), Some("went back from 5 to 3"));
        check(OffsetFate::Acknowledged, |_, _| None, Some("offset 5 was committed, and is gone"));
        check(OffsetFate::Refused, |_, second| of(second), Some("was refused, and is there"));
        let other_offset = |first: &Committing| of(first).map(|it| FetchedOffsets { offset: 4, ..it });
        check(OffsetFate::Unknown, |first, _| other_offset(first), Some("nobody committed offset 4"));
        let other_text =
            |first: &Committing| of(first).map(|it| FetchedOffsets { metadata: "x #0".into(), ..it });
        check(OffsetFate::Unknown, |first, _| other_text(first), Some("nobody committed offset 3"));
        let other_epoch =
            |first: &Committing| of(first).map(|it| FetchedOffsets { leader_epoch: Some(9), ..it });
        check(OffsetFate::Unknown, |first, _| other_epoch(first), Some("was committed with epoch 0"));
    }
}
