//! Metrics of consumer groups: under the names of Kafka's own beans, under those of the exporter that
//! dashboards of lag are made for (`kafka_exporter`), and what neither has.

use std::fmt::Display;

use millrace_core::base::{Offset, PartitionIndex};
use millrace_core::coord::{ConsumerGroupState, GroupFigures, GroupState, GroupStatus};
use rustc_hash::FxHashMap;

use crate::admin::families::own::by_shard;
use crate::admin::family::{Family, Kind, SampleWriter};
use crate::admin::scrape::Scrape;

pub(crate) const KAFKAS: &[Family] = &[
    Family {
        name: "kafka_coordinator_group_groupmetadatamanager_numgroups",
        kind: Kind::Gauge,
        labels: "",
        help: "Groups of any state.",
        samples: |scrape, samples| samples.add(&[], groups(scrape).count()),
    },
    Family {
        name: "kafka_coordinator_group_groupmetadatamanager_numgroupspreparingrebalance",
        kind: Kind::Gauge,
        labels: "",
        help: "Classic groups that wait for their members to join.",
        samples: |scrape, samples| samples.add(&[], in_state(scrape, GroupState::PreparingRebalance)),
    },
    Family {
        name: "kafka_coordinator_group_groupmetadatamanager_numgroupscompletingrebalance",
        kind: Kind::Gauge,
        labels: "",
        help: "Classic groups that wait for their leader's assignment.",
        samples: |scrape, samples| samples.add(&[], in_state(scrape, GroupState::CompletingRebalance)),
    },
    Family {
        name: "kafka_coordinator_group_groupmetadatamanager_numgroupsstable",
        kind: Kind::Gauge,
        labels: "",
        help: "Classic groups whose members have their assignments.",
        samples: |scrape, samples| samples.add(&[], in_state(scrape, GroupState::Stable)),
    },
    Family {
        name: "kafka_coordinator_group_groupmetadatamanager_numgroupsempty",
        kind: Kind::Gauge,
        labels: "",
        help: "Classic groups without members.",
        samples: |scrape, samples| samples.add(&[], in_state(scrape, GroupState::Empty)),
    },
    Family {
        name: "kafka_coordinator_group_groupmetadatamanager_numgroupsdead",
        kind: Kind::Gauge,
        labels: "",
        help: "Classic groups whose deletion is on its way to the log.",
        samples: |scrape, samples| samples.add(&[], in_state(scrape, GroupState::Dead)),
    },
    Family {
        name: "kafka_coordinator_group_groupmetadatamanager_numoffsets",
        kind: Kind::Gauge,
        labels: "",
        help: "Committed offsets of all groups, one for each partition.",
        samples: |scrape, samples| {
            let topics = groups(scrape).flat_map(|group| &group.committed);
            samples.add(&[], topics.map(|(_, offsets)| offsets.len()).sum::<usize>());
        },
    },
    Family {
        name: "kafka_server_group_coordinator_metrics_group_completed_rebalance_count",
        kind: Kind::Counter,
        labels: "",
        help: "Generations of groups that got their assignments.",
        samples: |scrape, samples| samples.add(&[], scrape.sum(|shard| shard.engine.groups.rebalances)),
    },
    Family {
        name: "kafka_server_group_coordinator_metrics_consumer_group_rebalance_count",
        kind: Kind::Counter,
        labels: "",
        help: "Rebalances of groups of the consumer protocol: changes of what they subscribe to.",
        samples: |scrape, samples| {
            samples.add(&[], scrape.sum(|shard| shard.engine.groups.consumer_rebalances));
        },
    },
    Family {
        name: "kafka_server_group_coordinator_metrics_group_count",
        kind: Kind::Gauge,
        labels: "protocol",
        help: "Groups by their protocol.",
        samples: by_protocol,
    },
    Family {
        name: "kafka_server_group_coordinator_metrics_consumer_group_count",
        kind: Kind::Gauge,
        labels: "state",
        help: "Groups of the consumer protocol by their state.",
        samples: by_consumer_state,
    },
    Family {
        name: "kafka_server_group_coordinator_metrics_offset_commit_count",
        kind: Kind::Counter,
        labels: "",
        help: "Offsets committed, each partition by itself.",
        samples: |scrape, samples| samples.add(&[], scrape.sum(|shard| shard.engine.groups.commits)),
    },
    Family {
        name: "kafka_consumergroup_members",
        kind: Kind::Gauge,
        labels: "consumergroup",
        help: "Members of a group.",
        samples: |scrape, samples| {
            for group in groups(scrape) {
                samples.add(&[("consumergroup", &group.group)], group.members);
            }
        },
    },
    Family {
        name: "kafka_consumergroup_current_offset",
        kind: Kind::Gauge,
        labels: "consumergroup,topic,partition",
        help: "Offset that a group has committed.",
        samples: |scrape, samples| {
            each_offset(scrape, |labels, offset| samples.add(&labels.all(), offset.0));
        },
    },
    Family {
        name: "kafka_consumergroup_lag",
        kind: Kind::Gauge,
        labels: "consumergroup,topic,partition",
        help: "Offsets between what a group has committed and the end of the partition's log.",
        samples: lags,
    },
];

pub(crate) const OWN: &[Family] = &[
    Family {
        name: "millrace_group_commits_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Offsets committed with the coordinators of a shard, each partition by itself.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.groups.commits),
    },
    Family {
        name: "millrace_group_offsets_removed_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Committed offsets that expired, were deleted, or went with their topic.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.groups.removals),
    },
    Family {
        name: "millrace_group_rebalances_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Generations of groups that got their assignments.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.groups.rebalances),
    },
    Family {
        name: "millrace_group_consumer_rebalances_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Rebalances of groups of the consumer protocol: changes of what they subscribe to.",
        samples: |scrape, samples| {
            by_shard(scrape, samples, |shard| shard.engine.groups.consumer_rebalances);
        },
    },
    Family {
        name: "millrace_group_bytes",
        kind: Kind::Gauge,
        labels: "shard",
        help: "Memory that groups hold: members with what they offer and are assigned, and committed offsets.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.groups.bytes),
    },
    Family {
        name: "millrace_group_bytes_max",
        kind: Kind::Gauge,
        labels: "shard",
        help: "Memory that groups may hold; what would add to it then is refused.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.groups.bytes_max),
    },
    Family {
        name: "millrace_group_refusals_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Joins, heartbeats, assignments and commits that groups had no memory for; clients try again.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.groups.refusals),
    },
    Family {
        name: "millrace_group_partitions_loading",
        kind: Kind::Gauge,
        labels: "shard",
        help: "Partitions of `__consumer_offsets` whose groups are still being read; their clients wait.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.groups.loading),
    },
    Family {
        name: "millrace_group_load_failures_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Reads of a partition of `__consumer_offsets` that failed; the next request tries again.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.groups.load_failures),
    },
];

fn groups(scrape: &Scrape) -> impl Iterator<Item = &GroupFigures> {
    scrape.shards.iter().flat_map(|(_, report)| &report.engine.groups.groups)
}

fn by_consumer_state(scrape: &Scrape, samples: &mut SampleWriter<'_>) {
    for state in ConsumerGroupState::ALL {
        let count = groups(scrape).filter(|group| group.status == GroupStatus::Consumer(state)).count();
        samples.add(&[("state", &state.name().to_lowercase())], count);
    }
}

fn by_protocol(scrape: &Scrape, samples: &mut SampleWriter<'_>) {
    for protocol in ["classic", "consumer"] {
        let count = groups(scrape).filter(|group| group.status.group_type() == protocol).count();
        samples.add(&[("protocol", &protocol)], count);
    }
}

/// Of classic groups.
fn in_state(scrape: &Scrape, state: GroupState) -> usize {
    groups(scrape).filter(|group| group.status == GroupStatus::Classic(state)).count()
}

/// Of one committed offset.
struct OffsetLabels<'a> {
    group: &'a dyn Display,
    topic: &'a dyn Display,
    partition: PartitionIndex,
}

impl OffsetLabels<'_> {
    fn all(&self) -> [(&'static str, &dyn Display); 3] {
        [("consumergroup", self.group), ("topic", self.topic), ("partition", &self.partition)]
    }
}

fn each_offset(scrape: &Scrape, mut see: impl FnMut(OffsetLabels<'_>, Offset)) {
    for group in groups(scrape) {
        for (topic, offsets) in &group.committed {
            for (partition, offset) in offsets {
                see(OffsetLabels { group: &group.group, topic, partition: *partition }, *offset);
            }
        }
    }
}

/// Partitions of shards that did not answer are left out.
fn lags(scrape: &Scrape, samples: &mut SampleWriter<'_>) {
    let partitions = scrape.shards.iter().flat_map(|(_, report)| &report.engine.partitions);
    let ends: FxHashMap<(&str, PartitionIndex), u64> =
        partitions.map(|it| ((&*it.topic, it.partition), it.log_end_offset)).collect();
    each_offset(scrape, |labels, offset| {
        let topic = labels.topic.to_string();
        if let Some(end) = ends.get(&(topic.as_str(), labels.partition)) {
            // Behind a log that was deleted and begun again a group may be ahead.
            samples.add(&labels.all(), end.saturating_sub(u64::try_from(offset.0).unwrap_or(0)));
        }
    });
}
