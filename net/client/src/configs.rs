//! Settings of topics, brokers and groups: read, set and unset.

use std::ops::RangeInclusive;

use millrace_wire::ApiKey;
use millrace_wire::messages::describe_configs_request::{DescribeConfigsRequest, DescribeConfigsResource};
use millrace_wire::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResponse,
};
use millrace_wire::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use millrace_wire::messages::incremental_alter_configs_response::IncrementalAlterConfigsResponse;

use crate::cluster::Cluster;
use crate::error::ClientError;
use crate::refusal::Refusal;
use crate::topics::Effect;
use crate::transport::Peer;

const DESCRIBE_CONFIGS: RangeInclusive<i16> = 1..=4;
const INCREMENTAL_ALTER_CONFIGS: RangeInclusive<i16> = 0..=1;

/// What has settings (`ConfigResource.java`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    Topic(String),
    Broker(i32),
    /// What all brokers have that have no setting of their own.
    AllBrokers,
    /// Levels of a broker's loggers.
    Loggers(i32),
    Group(String),
    /// A subscription to metrics of clients.
    ClientMetrics(String),
}

impl Resource {
    fn code(&self) -> i8 {
        match self {
            Resource::Topic(_) => 2,
            Resource::Broker(_) | Resource::AllBrokers => 4,
            Resource::Loggers(_) => 8,
            Resource::ClientMetrics(_) => 16,
            Resource::Group(_) => 32,
        }
    }

    fn name(&self) -> String {
        match self {
            Resource::Topic(name) | Resource::Group(name) | Resource::ClientMetrics(name) => name.clone(),
            Resource::Broker(id) | Resource::Loggers(id) => id.to_string(),
            Resource::AllBrokers => String::new(),
        }
    }
}

/// One setting as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    pub key: String,
    /// Nothing where it has none, or may not be shown.
    pub value: Option<String>,
    pub source: SettingSource,
    pub is_read_only: bool,
    pub is_sensitive: bool,
}

/// Where a setting comes from (`DescribeConfigsResponse.java`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingSource {
    Topic,
    Broker,
    AllBrokers,
    File,
    Default,
    Logger,
    ClientMetrics,
    Group,
    Unknown,
}

impl SettingSource {
    fn of(code: i8) -> SettingSource {
        match code {
            1 => SettingSource::Topic,
            2 => SettingSource::Broker,
            3 => SettingSource::AllBrokers,
            4 => SettingSource::File,
            5 => SettingSource::Default,
            6 => SettingSource::Logger,
            7 => SettingSource::ClientMetrics,
            8 => SettingSource::Group,
            _ => SettingSource::Unknown,
        }
    }

    /// As Kafka writes it (`ConfigEntry.ConfigSource`).
    pub fn name(self) -> &'static str {
        match self {
            SettingSource::Topic => "DYNAMIC_TOPIC_CONFIG",
            SettingSource::Broker => "DYNAMIC_BROKER_CONFIG",
            SettingSource::AllBrokers => "DYNAMIC_DEFAULT_BROKER_CONFIG",
            SettingSource::File => "STATIC_BROKER_CONFIG",
            SettingSource::Default => "DEFAULT_CONFIG",
            SettingSource::Logger => "DYNAMIC_BROKER_LOGGER_CONFIG",
            SettingSource::ClientMetrics => "DYNAMIC_CLIENT_METRICS_CONFIG",
            SettingSource::Group => "DYNAMIC_GROUP_CONFIG",
            SettingSource::Unknown => "UNKNOWN",
        }
    }
}

/// One change of one setting (`AlterConfigOp.java`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingChange {
    pub key: String,
    pub operation: SettingOperation,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingOperation {
    Set(String),
    /// What holds without it holds again.
    Unset,
    /// Adds to a list.
    Append(String),
    /// Takes out of a list.
    Subtract(String),
}

impl SettingOperation {
    fn code(&self) -> i8 {
        match self {
            SettingOperation::Set(_) => 0,
            SettingOperation::Unset => 1,
            SettingOperation::Append(_) => 2,
            SettingOperation::Subtract(_) => 3,
        }
    }

    fn value(&self) -> Option<&str> {
        match self {
            SettingOperation::Unset => None,
            SettingOperation::Set(value)
            | SettingOperation::Append(value)
            | SettingOperation::Subtract(value) => Some(value),
        }
    }
}

impl Cluster {
    /// All settings of the resource, or those of these keys that it has, by key.
    pub fn settings(&mut self, of: &Resource, keys: &[String]) -> Result<Vec<Setting>, ClientError> {
        let keys = keys.iter().map(|key| key.as_str().into());
        let request = DescribeConfigsRequest {
            resources: vec![DescribeConfigsResource {
                resource_type: of.code(),
                resource_name: of.name().into(),
                configuration_keys: (keys.len() > 0).then(|| keys.collect()),
            }],
            ..DescribeConfigsRequest::default()
        };
        let answer = self.keeper(of)?.call(
            ApiKey::DescribeConfigs,
            DESCRIBE_CONFIGS,
            |writer, version| request.encode(writer, version),
            |reader, version| {
                let response = DescribeConfigsResponse::decode(reader, version)?;
                Ok(response.results.first().map(|result| {
                    let refusal = Refusal::check(result.error_code, result.error_message.as_deref());
                    refusal.map(|()| result.configs.iter().map(setting).collect::<Vec<_>>())
                }))
            },
        )?;
        let answer = answer.ok_or_else(ClientError::silent)?;
        let mut settings = answer.map_err(ClientError::refused("a question for settings"))?;
        settings.sort_by(|left, right| left.key.cmp(&right.key));
        Ok(settings)
    }

    /// Makes all of these changes, or none.
    pub fn change_settings(
        &mut self,
        of: &Resource,
        changes: &[SettingChange],
        effect: Effect,
    ) -> Result<(), ClientError> {
        let change = |change: &'_ SettingChange| AlterableConfig {
            name: change.key.clone().into(),
            config_operation: change.operation.code(),
            value: change.operation.value().map(|value| value.to_owned().into()),
        };
        let request = IncrementalAlterConfigsRequest {
            resources: vec![AlterConfigsResource {
                resource_type: of.code(),
                resource_name: of.name().into(),
                configs: changes.iter().map(change).collect(),
            }],
            validate_only: effect.validates(),
        };
        let answer = self.keeper(of)?.call(
            ApiKey::IncrementalAlterConfigs,
            INCREMENTAL_ALTER_CONFIGS,
            |writer, version| request.encode(writer, version),
            |reader, version| {
                let response = IncrementalAlterConfigsResponse::decode(reader, version)?;
                let answer = response.responses.first();
                Ok(answer.map(|it| Refusal::check(it.error_code, it.error_message.as_deref())))
            },
        )?;
        answer.ok_or_else(ClientError::silent)?.map_err(ClientError::refused("a change of settings"))
    }

    /// Who knows: the broker itself of what is its own.
    fn keeper(&mut self, of: &Resource) -> Result<&mut Peer, ClientError> {
        match of {
            Resource::Broker(id) | Resource::Loggers(id) => self.broker(*id),
            _ => Ok(self.any()),
        }
    }
}

fn setting(config: &DescribeConfigsResourceResult<'_>) -> Setting {
    Setting {
        key: config.name.to_string(),
        value: config.value.as_deref().map(str::to_owned),
        source: SettingSource::of(config.config_source),
        is_read_only: config.read_only,
        is_sensitive: config.is_sensitive,
    }
}
