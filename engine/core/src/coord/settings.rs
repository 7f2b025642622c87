//! The configuration keys that groups go by.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::kip848::{Assignor, MigrationPolicy};
use crate::base::config::{BrokerConfig, ConfigLayers, ConfigMap, GroupConfig, TopicConfig};

/// Limits and delays of groups, from the keys of the same names. Shared by all coordinators of a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSettings {
    /// `group.min.session.timeout.ms`
    pub min_session_timeout_ms: i32,
    /// `group.max.session.timeout.ms`
    pub max_session_timeout_ms: i32,
    /// `group.initial.rebalance.delay.ms`
    pub initial_rebalance_delay_ms: i32,
    /// `group.max.size`, in members.
    pub max_size: usize,
    /// `group.consumer.*` as it holds for groups without settings of their own.
    pub consumer: GroupConfig,
    /// What holds for groups of the consumer protocol with settings, whether they are there or not.
    pub of_groups: BTreeMap<Arc<str>, GroupConfig>,
    /// `group.consumer.max.size`, in members.
    pub consumer_max_size: usize,
    /// `group.consumer.assignors`; the first is the default.
    pub consumer_assignors: Vec<Assignor>,
    /// `group.consumer.migration.policy`
    pub consumer_migration: MigrationPolicy,
    /// `group.consumer.regex.refresh.interval.ms`
    pub consumer_pattern_refresh_interval_ms: i64,
    /// No larger batch is in the offsets topic: `max.message.bytes` of that topic, or the broker's
    /// `message.max.bytes`, and no more than a segment of it.
    pub batch_bytes_max: usize,
    /// `offset.metadata.max.bytes`; Kafka counts UTF-16 units, not bytes.
    pub offset_metadata_max: usize,
    /// `offsets.retention.minutes`, in milliseconds.
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`
    pub retention_check_interval_ms: i64,
}

/// Time for which a member that does not know its id yet may wait for its first join: it cannot send
/// heartbeats, and where its client has given up and joined again nobody else would notice. Kafka's constant.
pub(super) const NEW_MEMBER_JOIN_TIMEOUT_MS: i32 = 5 * 60 * 1000;

/// A member that was given its id (KIP-394) and has not come back holds up a rebalance for no longer than
/// this. A live client is back after one round trip; Kafka waits for its whole session timeout.
pub(super) const PENDING_MEMBER_WAIT_MS: i32 = 500;

/// Ids of one group that were given away and not used: beyond these the oldest is forgotten, so that a client
/// that only ever asks for ids costs bounded memory.
pub(super) const PENDING_MEMBERS_MAX: usize = 10_000;

/// Protocols that one member may offer: far more than any client has assignors,
/// and few enough to be sorted in a turn.
pub(super) const PROTOCOLS_MAX: usize = 10_000;

/// Groups that one turn searches for expired offsets; a search of many groups goes on in the next turns.
pub(super) const GROUPS_SEARCHED_PER_TURN: usize = 64;

impl GroupSettings {
    /// Without anything that was set while the broker runs.
    pub fn of(config: &BrokerConfig) -> GroupSettings {
        let layers = ConfigLayers { broker: config, dynamic_broker: &NOTHING, dynamic_default: &NOTHING };
        GroupSettings::resolve(layers, &NOTHING, std::iter::empty())
    }

    /// With the settings of brokers, of the offsets topic and of `groups` as they stand.
    pub fn resolve<'a>(
        layers: ConfigLayers<'_>,
        offsets_topic: &ConfigMap,
        groups: impl Iterator<Item = (&'a Arc<str>, &'a ConfigMap)>,
    ) -> GroupSettings {
        let config = layers.broker;
        GroupSettings {
            min_session_timeout_ms: config.group_min_session_timeout_ms(),
            max_session_timeout_ms: config.group_max_session_timeout_ms(),
            initial_rebalance_delay_ms: config.group_initial_rebalance_delay_ms(),
            max_size: usize::try_from(config.group_max_size()).unwrap_or(0),
            consumer: GroupConfig::resolve(layers, &NOTHING),
            of_groups: groups
                .map(|(group, set)| (Arc::clone(group), GroupConfig::resolve(layers, set)))
                .collect(),
            consumer_max_size: usize::try_from(config.group_consumer_max_size()).unwrap_or(0),
            consumer_assignors: assignors(&config.group_consumer_assignors()),
            consumer_migration: MigrationPolicy::of_name(config.group_consumer_migration_policy()),
            consumer_pattern_refresh_interval_ms: i64::from(
                config.group_consumer_regex_refresh_interval_ms(),
            ),
            batch_bytes_max: batch_bytes_max(layers, offsets_topic),
            offset_metadata_max: usize::try_from(config.offset_metadata_max()).unwrap_or(0),
            offsets_retention_ms: i64::from(config.offsets_retention_minutes()) * MS_PER_MINUTE,
            retention_check_interval_ms: config.offsets_retention_check_interval_ms(),
        }
    }

    /// What holds for a group of the consumer protocol.
    pub(super) fn of_group(&self, group: &str) -> GroupConfig {
        self.of_groups.get(group).copied().unwrap_or(self.consumer)
    }
}

fn batch_bytes_max(layers: ConfigLayers<'_>, offsets_topic: &ConfigMap) -> usize {
    let topic = TopicConfig::resolve(layers.broker, &layers.dynamic(), offsets_topic);
    usize::try_from(topic.max_message_bytes.min(topic.segment_bytes)).unwrap_or(0)
}

static NOTHING: ConfigMap = ConfigMap::new();

/// Names of classes are of assignors that only Kafka could load;
/// where no other is named the default is served.
fn assignors(names: &[String]) -> Vec<Assignor> {
    let mut known: Vec<Assignor> = names.iter().filter_map(|name| Assignor::of_name(name.trim())).collect();
    if known.is_empty() {
        known.push(Assignor::Uniform);
    }
    known
}

const MS_PER_MINUTE: i64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_kafkas() {
        let settings = GroupSettings::of(&BrokerConfig::default());
        let expected = GroupSettings {
            min_session_timeout_ms: 6_000,
            max_session_timeout_ms: 1_800_000,
            initial_rebalance_delay_ms: 3_000,
            max_size: i32::MAX as usize,
            consumer: GroupConfig {
                session_timeout_ms: 45_000,
                heartbeat_interval_ms: 5_000,
                assignment_interval_ms: 1_000,
            },
            of_groups: BTreeMap::new(),
            consumer_max_size: i32::MAX as usize,
            consumer_assignors: vec![Assignor::Uniform, Assignor::Range],
            consumer_migration: MigrationPolicy::Bidirectional,
            consumer_pattern_refresh_interval_ms: 600_000,
            batch_bytes_max: 1_048_588,
            offset_metadata_max: 4096,
            offsets_retention_ms: 7 * 24 * 3_600_000,
            retention_check_interval_ms: 600_000,
        };
        assert_eq!(settings, expected);
    }

    #[test]
    fn a_group_goes_by_its_own_settings() {
        let config = BrokerConfig::default();
        let layers = ConfigLayers { broker: &config, dynamic_broker: &NOTHING, dynamic_default: &NOTHING };
        let set = ConfigMap::from([("consumer.heartbeat.interval.ms".to_owned(), "6000".to_owned())]);
        let settings = GroupSettings::resolve(layers, &NOTHING, std::iter::once((&Arc::from("g"), &set)));
        let intervals = ["g", "h"].map(|group| settings.of_group(group).heartbeat_interval_ms);
        assert_eq!(intervals, [6_000, 5_000]);
    }

    #[test]
    fn the_offsets_topic_says_what_a_batch_holds() {
        let config = BrokerConfig::default();
        let dynamic = ConfigMap::from([("message.max.bytes".to_owned(), "3000000".to_owned())]);
        let layers = ConfigLayers { broker: &config, dynamic_broker: &NOTHING, dynamic_default: &dynamic };
        let check = |topic: &[(&str, &str)], expected: usize| {
            let topic = topic.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            let settings = GroupSettings::resolve(layers, &topic, std::iter::empty());
            assert_eq!(settings.batch_bytes_max, expected, "{topic:?}");
        };
        check(&[], 3_000_000);
        check(&[("max.message.bytes", "2000")], 2_000);
        check(&[("segment.bytes", "2097152")], 2_097_152);
        check(&[("max.message.bytes", "1000"), ("segment.bytes", "2097152")], 1_000);
    }
}
