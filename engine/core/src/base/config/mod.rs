//! Configuration keys, their types, defaults and checks, and what a broker and a topic make of them.

pub mod broker;
pub mod client_metrics;
pub mod definition;
pub mod group;
mod layers;
pub mod listeners;
pub mod load;
pub mod properties;
pub mod registry;
pub mod sizing;
pub mod topic;
pub mod validator;
pub mod value;

pub use crate::base::timestamps::TimestampType;
pub use broker::{BrokerConfig, LogFormat, LostRings, ProduceValidation};
pub use client_metrics::{ClientAttribute, ClientMetricsFault, ClientMetricsSubscription, WantedMetrics};
pub use definition::{Definition, Effect, Importance, UpdateMode};
pub use group::{GroupConfig, validate_group};
pub use layers::describe::{
    ConfigEntry, ConfigLayers, ConfigSource, ConfigSynonym, describe_broker, describe_broker_default,
    describe_client_metrics, describe_created_topic, describe_group, describe_topic,
};
pub use layers::dynamic::{DynamicScope, list_default, validate_dynamic_broker};
pub use layers::per_address::{AddressLimit, address_limits};
pub use listeners::{Listener, SecurityProtocol, listen_on, split_address};
pub use load::{ConfigWarning, LoadedConfig, UnknownKeys};
pub use properties::{Properties, PropertiesFault};
pub use registry::{Section, broker_keys, client_metrics_keys, group_keys, topic_keys};
pub use sizing::{default_memory_bytes, default_shards};
pub use topic::{TopicConfig, validate_topic};
pub use validator::Validator;
pub use value::{ConfigError, ConfigMap, ConfigType, Value, parse_size};
