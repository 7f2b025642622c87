//! Partitions that a command is about, and what their logs span.

use std::collections::{BTreeMap, BTreeSet};

use millrace_client::{ClientError, Cluster, LogOffset, Place};

use super::position::{Position, Sought, within};

/// The partitions of the topic that are meant, all where none is named; or why there are none.
pub(crate) fn places_of(
    cluster: &mut Cluster,
    topic: &str,
    partitions: &[i32],
) -> Result<Result<BTreeSet<Place>, String>, ClientError> {
    let leaders = cluster.leaders(&BTreeSet::from([topic.to_owned()]))?;
    let Some(known) = leaders.get(topic) else {
        return Ok(Err(format!("there is no topic {topic}")));
    };
    if let Some(unknown) = partitions.iter().find(|index| !known.contains_key(index)) {
        return Ok(Err(format!("topic {topic} has no partition {unknown}")));
    }
    let place = |partition: &i32| Place::new(topic, *partition);
    Ok(Ok(match partitions.is_empty() {
        true => known.keys().map(place).collect(),
        false => partitions.iter().map(place).collect(),
    }))
}

/// Where logs begin and end, and where in them times are.
pub(crate) struct Logs {
    starts: BTreeMap<Place, Option<i64>>,
    ends: BTreeMap<Place, Option<i64>>,
    times: BTreeMap<i64, BTreeMap<Place, Option<i64>>>,
}

impl Logs {
    /// As far as it is needed for these positions.
    pub(crate) fn read(
        cluster: &mut Cluster,
        places: &BTreeSet<Place>,
        positions: &[Position],
    ) -> Result<Logs, ClientError> {
        let mut times = BTreeMap::new();
        for ms in positions.iter().filter_map(|position| position.time()) {
            times.insert(ms, cluster.log_offsets(places, LogOffset::At(ms))?);
        }
        Ok(Logs {
            starts: cluster.log_offsets(places, LogOffset::Earliest)?,
            ends: cluster.log_offsets(places, LogOffset::Latest)?,
            times,
        })
    }

    /// The first offset of a log and the one behind its last record; nothing while nobody leads it.
    pub(crate) fn range(&self, place: &Place) -> Option<(i64, i64)> {
        let of = |offsets: &BTreeMap<Place, Option<i64>>| offsets.get(place).copied().flatten();
        Some((of(&self.starts)?, of(&self.ends)?))
    }

    /// As `range`, or that nobody leads it.
    pub(crate) fn served_range(&self, place: &Place) -> Result<(i64, i64), String> {
        self.range(place).ok_or_else(|| format!("nobody leads partition {place}"))
    }

    /// The offset of a position in one log.
    pub(crate) fn seek(&self, place: &Place, position: Position) -> Result<Sought, String> {
        let (start, end) = self.served_range(place)?;
        Ok(match position {
            Position::Start => within(start, start, end),
            Position::End => within(end, start, end),
            Position::Offset(offset) => within(offset, start, end),
            Position::AfterStart(count) => within(start.saturating_add(count), start, end),
            Position::BeforeEnd(count) => within(end.saturating_sub(count), start, end),
            Position::Time(ms) => {
                let found = self.times.get(&ms).and_then(|times| times.get(place).copied().flatten());
                let none = Sought { offset: end, note: Some("no record is so young") };
                found.map_or(none, |offset| within(offset, start, end))
            }
        })
    }
}
