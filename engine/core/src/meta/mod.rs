//! Metadata: records, their log, the image they build and the changes that make them.

pub mod alter;
pub mod change;
pub mod deleted;
pub mod features;
mod fields;
pub mod growth;
pub mod image;
pub mod log;
pub mod name;
mod on_demand;
pub mod quota;
pub mod quota_change;
pub mod record;
#[cfg(test)]
mod samples;

pub use alter::{
    AlterEntry, AlterError, AlterErrorKind, AlterOperation, AlterTarget, Alteration, OtherKeys,
    alter_configs, check_entries,
};
pub use change::{
    CreateOutcome, CreatedTopic, NewTopic, PRODUCER_ID_BLOCK, TopicCreations, TopicError, TopicErrorKind,
    bootstrap, create_topics, delete_topics, next_producer_ids, raise_leader_epochs, register_broker,
};
pub use deleted::DeletedTopics;
pub use features::{
    Feature, FeatureError, FeatureUpdate, FinalizedFeatures, UnsupportedLevel, UpgradeType, update_features,
};
pub use growth::{MorePartitions, create_partitions};
pub use image::{BrokerRegistration, ImageFault, MetadataImage, NamedConfigs, PartitionImage, TopicImage};
pub use log::{DecodedLog, MetadataEntry, Tail};
pub use name::{OFFSETS_TOPIC, TOPIC_NAME_MAX, check_topic_name, is_internal_topic};
pub use quota::{
    ClientQuotas, EntityKind, FoundQuota, QuotaEntity, QuotaKey, QuotaName, QuotaScope, QuotaValue,
    QuotaValues,
};
pub use quota_change::{
    AlteredQuota, ClientQuotaChanges, FilterPart, Host, NamedEntity, QuotaAlteration, QuotaError,
    QuotaErrorKind, Strict, alter_client_quotas, describe_client_quotas,
};
pub use record::{ConfigResource, Endpoint, MetadataRecord};
