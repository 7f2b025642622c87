//! Topics that are created because somebody uses them.

use super::change::NewTopic;
use super::image::MetadataImage;
use super::name::OFFSETS_TOPIC;
use crate::base::config::BrokerConfig;
use crate::base::ids::TopicId;

impl NewTopic {
    /// With the broker's defaults; a topic of the broker's own as it needs it (`AutoTopicCreationManager`).
    pub fn on_demand(name: &str, id: TopicId, image: &MetadataImage, broker: &BrokerConfig) -> NewTopic {
        let topic = NewTopic::named(name, id);
        if name != OFFSETS_TOPIC {
            return topic;
        }
        let configs = [
            ("cleanup.policy", "compact".to_owned()),
            ("compression.type", "producer".to_owned()),
            ("segment.bytes", broker.offsets_topic_segment_bytes().to_string()),
        ];
        // Kafka refuses to make it with too few brokers: here a single one needs no setting.
        let brokers = i16::try_from(image.brokers().count()).unwrap_or(i16::MAX);
        NewTopic {
            partitions: broker.offsets_topic_partitions(),
            replication_factor: broker.offsets_topic_replication_factor().min(brokers.max(1)),
            configs: configs.map(|(key, value)| (key.to_owned(), Some(value))).into(),
            ..topic
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::config::{LoadedConfig, Properties, UnknownKeys};
    use crate::meta::change::{create_topics, register_broker};

    #[test]
    fn the_offsets_topic_is_made_as_the_broker_needs_it() {
        let mut properties = Properties::default();
        properties.set("offsets.topic.num.partitions", "7");
        let config = LoadedConfig::load(&properties, UnknownKeys::Refuse).expect("a configuration").broker;
        let mut image = MetadataImage::default();
        let registration = register_broker(&image, &config, &[]).expect("a new broker");
        image.apply(&registration).expect("a record that fits");
        let topic = NewTopic::on_demand(OFFSETS_TOPIC, TopicId([1; 16]), &image, &config);
        let outcome = create_topics(&image, &[topic], &config);
        let created = outcome.results[0].as_ref().expect("a topic on one broker");
        assert_eq!((created.partitions, created.replication_factor), (7, 1));
        assert_eq!(created.configs.get("cleanup.policy").map(String::as_str), Some("compact"));
        assert_eq!(created.configs.get("segment.bytes").map(String::as_str), Some("104857600"));
        let topic = NewTopic::on_demand("orders", TopicId([2; 16]), &image, &config);
        assert_eq!(topic, NewTopic::named("orders", TopicId([2; 16])));
    }
}
