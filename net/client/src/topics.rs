//! Topics are created, deleted, and given more partitions.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use millrace_wire::ApiKey;
use millrace_wire::messages::create_partitions_request::{CreatePartitionsRequest, CreatePartitionsTopic};
use millrace_wire::messages::create_partitions_response::CreatePartitionsResponse;
use millrace_wire::messages::create_topics_request::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use millrace_wire::messages::create_topics_response::{CreatableTopicResult, CreateTopicsResponse};
use millrace_wire::messages::delete_topics_request::DeleteTopicsRequest;
use millrace_wire::messages::delete_topics_response::DeleteTopicsResponse;

use crate::clock::{self, TIMEOUT_MS};
use crate::cluster::Cluster;
use crate::error::ClientError;
use crate::offsets::LogOffset;
use crate::place::Place;
use crate::refusal::Refusal;

/// From the version on that can leave numbers to the broker.
const CREATE_TOPICS: RangeInclusive<i16> = 4..=7;
/// The last version that names topics by name alone.
const DELETE_TOPICS: RangeInclusive<i16> = 1..=5;
const CREATE_PARTITIONS: RangeInclusive<i16> = 0..=3;

/// Number of partitions or replicas as the broker's configuration has it.
const BROKER_DEFAULT: i32 = -1;

/// What each topic came to, in the order of the request.
pub type TopicAnswers<T> = Vec<(String, Result<T, Refusal>)>;

/// A topic to be created.
#[derive(Debug, Clone)]
pub struct NewTopic {
    pub name: String,
    /// Nothing leaves it to the broker; brokers older than 2.4 do not know that.
    pub partitions: Option<i32>,
    pub replication_factor: Option<i16>,
    pub configs: Vec<(String, String)>,
}

impl NewTopic {
    /// A topic of one replica.
    pub fn new(name: impl Into<String>, partitions: i32) -> NewTopic {
        let name = name.into();
        NewTopic { name, partitions: Some(partitions), replication_factor: Some(1), configs: Vec::new() }
    }

    pub fn with(mut self, configs: &[(&str, &str)]) -> NewTopic {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        self.configs.extend(configs.iter().map(owned));
        self
    }
}

/// What was made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Nothing where the broker is too old to say.
    pub partitions: Option<i32>,
    pub replication_factor: Option<i16>,
}

/// Whether a request changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Change,
    /// Only says what it would come to.
    Validate,
}

impl Effect {
    pub fn of_dry_run(is_dry_run: bool) -> Effect {
        if is_dry_run { Effect::Validate } else { Effect::Change }
    }

    pub(crate) fn validates(self) -> bool {
        self == Effect::Validate
    }
}

/// The request that creates these topics.
pub fn creation(topics: &[NewTopic], effect: Effect) -> CreateTopicsRequest<'_> {
    CreateTopicsRequest {
        topics: topics.iter().map(creatable).collect(),
        timeout_ms: TIMEOUT_MS,
        validate_only: effect.validates(),
    }
}

fn creatable(topic: &NewTopic) -> CreatableTopic<'_> {
    let config = |(name, value): &'_ (String, String)| CreatableTopicConfig {
        name: name.clone().into(),
        value: Some(value.clone().into()),
    };
    CreatableTopic {
        name: topic.name.as_str().into(),
        num_partitions: topic.partitions.unwrap_or(BROKER_DEFAULT),
        replication_factor: topic.replication_factor.unwrap_or(BROKER_DEFAULT as i16),
        assignments: Vec::new(),
        configs: topic.configs.iter().map(config).collect(),
    }
}

impl Cluster {
    pub fn create_topics(
        &mut self,
        topics: &[NewTopic],
        effect: Effect,
    ) -> Result<TopicAnswers<CreatedTopic>, ClientError> {
        let request = creation(topics, effect);
        self.controller()?.call(
            ApiKey::CreateTopics,
            CREATE_TOPICS,
            |writer, version| request.encode(writer, version),
            |reader, version| {
                let response = CreateTopicsResponse::decode(reader, version)?;
                let answered = |topic: &CreatableTopicResult<'_>| {
                    let refusal = Refusal::check(topic.error_code, topic.error_message.as_deref());
                    (topic.name.to_string(), refusal.map(|()| created(topic)))
                };
                Ok(response.topics.iter().map(answered).collect())
            },
        )
    }

    /// Waits until the leaders of all partitions of these topics serve:
    /// a broker of Kafka answers a creation before.
    pub fn await_topics(&mut self, names: &BTreeSet<String>) -> Result<(), ClientError> {
        let serving = clock::insist(|| {
            let mut places = BTreeSet::new();
            for (name, seen) in self.describe_topics(names)? {
                match seen {
                    Ok(topic) if !topic.partitions.is_empty() => {
                        places.extend(topic.partitions.iter().map(|it| Place::new(name.as_str(), it.index)));
                    }
                    _ => return Ok(None),
                }
            }
            let serving = self.log_offsets(&places, LogOffset::Latest)?;
            Ok((serving.len() == places.len()).then_some(()))
        })?;
        serving.ok_or_else(|| ClientError::Broker("a new topic has partitions that nobody leads".to_owned()))
    }

    pub fn delete_topics(&mut self, names: &[String]) -> Result<TopicAnswers<()>, ClientError> {
        let request = DeleteTopicsRequest {
            topic_names: names.iter().map(|name| name.as_str().into()).collect(),
            timeout_ms: TIMEOUT_MS,
            ..DeleteTopicsRequest::default()
        };
        self.controller()?.call(
            ApiKey::DeleteTopics,
            DELETE_TOPICS,
            |writer, version| request.encode(writer, version),
            |reader, version| {
                let response = DeleteTopicsResponse::decode(reader, version)?;
                let topics = response.responses.iter().map(|topic| {
                    let refusal = Refusal::check(topic.error_code, topic.error_message.as_deref());
                    (topic.name.as_deref().unwrap_or_default().to_owned(), refusal)
                });
                Ok(topics.collect())
            },
        )
    }

    /// Gives topics more partitions, up to so many.
    pub fn create_partitions(
        &mut self,
        counts: &BTreeMap<String, i32>,
        effect: Effect,
    ) -> Result<TopicAnswers<()>, ClientError> {
        let topics = counts.iter().map(|(name, count)| CreatePartitionsTopic {
            name: name.as_str().into(),
            count: *count,
            assignments: None,
        });
        let request = CreatePartitionsRequest {
            topics: topics.collect(),
            timeout_ms: TIMEOUT_MS,
            validate_only: effect.validates(),
        };
        self.controller()?.call(
            ApiKey::CreatePartitions,
            CREATE_PARTITIONS,
            |writer, version| request.encode(writer, version),
            |reader, version| {
                let response = CreatePartitionsResponse::decode(reader, version)?;
                let topics = response.results.iter().map(|topic| {
                    let refusal = Refusal::check(topic.error_code, topic.error_message.as_deref());
                    (topic.name.to_string(), refusal)
                });
                Ok(topics.collect())
            },
        )
    }
}

fn created(topic: &CreatableTopicResult<'_>) -> CreatedTopic {
    CreatedTopic {
        partitions: (topic.num_partitions > 0).then_some(topic.num_partitions),
        replication_factor: (topic.replication_factor > 0).then_some(topic.replication_factor),
    }
}
