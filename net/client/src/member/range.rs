//! Kafka's `RangeAssignor`: of each topic a range of partitions for each member that wants it.

use std::collections::{BTreeMap, BTreeSet};

use crate::place::Place;

/// As members offer it in JoinGroup.
pub(crate) const ASSIGNOR: &str = "range";

/// A member of the group as its leader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subscriber {
    pub(crate) member: String,
    /// Of a static member; these come before the others.
    pub(crate) instance: Option<String>,
    pub(crate) topics: BTreeSet<String>,
}

/// What each member gets, all of them listed; `counts` has the partitions of each topic that exists.
pub(super) fn assign(
    subscribers: &[Subscriber],
    counts: &BTreeMap<String, i32>,
) -> BTreeMap<String, BTreeSet<Place>> {
    let mut order: Vec<&Subscriber> = subscribers.iter().collect();
    order.sort_by_key(|it| (it.instance.is_none(), it.instance.as_ref(), &it.member));
    let mut assigned: BTreeMap<String, BTreeSet<Place>> =
        order.iter().map(|subscriber| (subscriber.member.clone(), BTreeSet::new())).collect();
    for (topic, partitions) in counts {
        let readers: Vec<&&Subscriber> = order.iter().filter(|it| it.topics.contains(topic)).collect();
        let count = i32::try_from(readers.len()).unwrap_or(i32::MAX).max(1);
        let (each, longer) = (partitions / count, partitions % count);
        let mut from = 0;
        for (rank, reader) in (0..).zip(readers) {
            let until = from + each + i32::from(rank < longer);
            let range = (from..until).map(|partition| Place::new(topic, partition));
            assigned.entry(reader.member.clone()).or_default().extend(range);
            from = until;
        }
    }
    assigned
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Members as `id:topic,topic` or `id/instance:topic`, counts as `topic=N`,
    /// what each gets as `id:topic-N,...`.
    fn check(members: &str, counts: &str, expected: &str) {
        let subscriber = |text: &str| {
            let (who, topics) = text.split_once(':').unwrap();
            let (member, instance) = who.split_once('/').map_or((who, None), |(id, name)| (id, Some(name)));
            let topics = topics.split(',').filter(|topic| !topic.is_empty()).map(str::to_owned).collect();
            Subscriber { member: member.to_owned(), instance: instance.map(str::to_owned), topics }
        };
        let subscribers: Vec<Subscriber> = members.split_whitespace().map(subscriber).collect();
        let count = |text: &str| {
            let (topic, count) = text.split_once('=').unwrap();
            (topic.to_owned(), count.parse().unwrap())
        };
        let assigned = assign(&subscribers, &counts.split_whitespace().map(count).collect());
        let list = |places: &BTreeSet<Place>| {
            places.iter().map(ToString::to_string).collect::<Vec<String>>().join(",")
        };
        let said: Vec<String> =
            assigned.iter().map(|(member, places)| format!("{member}:{}", list(places))).collect();
        assert_eq!(said.join(" "), expected, "{members} with {counts}");
    }

    #[test]
    fn each_topic_is_cut_into_ranges() {
        check("a:t", "t=3", "a:t-0,t-1,t-2");
        check("b:t a:t", "t=3", "a:t-0,t-1 b:t-2");
        check("b:t a:t c:t", "t=2", "a:t-0 b:t-1 c:");
        check("a:t,u b:t,u", "t=3 u=3", "a:t-0,t-1,u-0,u-1 b:t-2,u-2");
        check("a:t b:t,u c:u", "t=2 u=3", "a:t-0 b:t-1,u-0,u-1 c:u-2");
        // Static members first, by their instances.
        check("a:t b/y:t c/x:t", "t=3", "a:t-2 b:t-1 c:t-0");
        // Topics that nobody wants, that do not exist, members that want nothing.
        check("a: b:t,gone", "t=1 other=4", "a: b:t-0");
        check("a:t", "", "a:");
        check("", "t=1", "");
    }
}
