//! DescribeConfigs 1-4: values, defaults, sources and synonyms of the configuration of topics, brokers,
//! groups and client metrics, and levels of loggers.

use std::borrow::Cow;
use std::collections::BTreeSet;

use millrace_core::base::config::{
    ConfigEntry, ConfigSynonym, describe_broker, describe_broker_default, describe_client_metrics,
    describe_group, describe_topic,
};
use millrace_core::meta::{MetadataImage, check_topic_name};
use millrace_wire::messages::describe_configs_request::{DescribeConfigsRequest, DescribeConfigsResource};
use millrace_wire::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResponse, DescribeConfigsResult, DescribeConfigsSynonym,
};
use millrace_wire::{ErrorCode, Reader};

use crate::api::configs::config_kind::ConfigKind;
use crate::api::errors::generic_message;
use crate::api::request::context::{Outcome, RequestContext, RequestFault};
use crate::broker::loggers::{LogLevel, ROOT_LOGGER};
use crate::shard_server::ShardServer;

/// The source of a logger's level (`ConfigSource.DYNAMIC_BROKER_LOGGER_CONFIG`).
const OF_BROKER_LOGGER: i8 = 6;

/// The number of resources that are described between two yields. Each takes some 0.1 ms.
const RESOURCES_A_TURN: usize = 32;

/// Why a resource is not described. The message may be empty, but is never null.
struct DescribeRefusal {
    code: ErrorCode,
    message: String,
}

impl DescribeRefusal {
    fn invalid(message: impl Into<String>) -> DescribeRefusal {
        DescribeRefusal { code: ErrorCode::InvalidRequest, message: message.into() }
    }
}

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let version = context.version();
    let request = DescribeConfigsRequest::decode(&mut Reader::new(&context.body), version)?;
    let server = &context.server;
    let image = server.shard.image();
    // As in Kafka, an unknown kind refuses the whole request.
    let all_known =
        request.resources.iter().all(|resource| ConfigKind::from_code(resource.resource_type).is_some());
    let entries_max = server.described_entries_max();
    let (mut results, mut entries) = (Vec::new(), 0);
    for (place, resource) in request.resources.iter().enumerate() {
        if place % RESOURCES_A_TURN == RESOURCES_A_TURN - 1 {
            millrace_rt::yield_now().await;
        }
        let described: Result<Vec<_>, DescribeRefusal> =
            match (all_known, ConfigKind::from_code(resource.resource_type)) {
                (true, Some(ConfigKind::BrokerLogger)) => describe_loggers(server, resource),
                (true, Some(kind)) => describe(server, &image, kind, resource)
                    .map(|entries| entries.into_iter().map(|entry| config(&request, entry)).collect()),
                _ => Err(DescribeRefusal::invalid(generic_message(ErrorCode::InvalidRequest))),
            };
        entries += 1 + described.as_ref().map_or(0, Vec::len);
        // A resource may be named again and again, in a few bytes each time.
        if entries > entries_max {
            return Err(RequestFault::ResponseTooLong);
        }
        results.push(result(resource, described));
    }
    let response = DescribeConfigsResponse { results, ..DescribeConfigsResponse::default() };
    context.respond(|writer, version| response.encode(writer, version))
}

fn describe(
    server: &ShardServer,
    image: &MetadataImage,
    kind: ConfigKind,
    resource: &DescribeConfigsResource<'_>,
) -> Result<Vec<ConfigEntry>, DescribeRefusal> {
    let broker = server.broker.config();
    let layers = image.config_layers(broker);
    let names: Option<Vec<String>> =
        wanted_keys(resource).map(|keys| keys.iter().map(Cow::to_string).collect());
    let names = names.as_deref();
    let name = resource.resource_name.as_ref();
    match kind {
        ConfigKind::Topic => {
            check_topic_name(name)
                .map_err(|message| DescribeRefusal { code: ErrorCode::InvalidTopicException, message })?;
            let missing =
                DescribeRefusal { code: ErrorCode::UnknownTopicOrPartition, message: String::new() };
            let topic = image.topic(name).ok_or(missing)?;
            Ok(describe_topic(layers, &topic.configs, names))
        }
        ConfigKind::Broker if name.is_empty() => Ok(describe_broker_default(layers, names)),
        ConfigKind::Broker if broker_id(name)? == broker.node_id().0 => Ok(describe_broker(layers, names)),
        ConfigKind::Broker => {
            let own = broker.node_id();
            Err(DescribeRefusal::invalid(format!(
                "Unexpected broker id, expected {own} or empty string, but received {name}"
            )))
        }
        ConfigKind::ClientMetrics if name.is_empty() => {
            Err(DescribeRefusal::invalid("Client metrics subscription name must not be empty"))
        }
        ConfigKind::ClientMetrics => {
            Ok(describe_client_metrics(layers, image.client_metrics_config(name), names))
        }
        ConfigKind::Group if name.is_empty() => Err(DescribeRefusal::invalid("Group name must not be empty")),
        ConfigKind::Group => Ok(describe_group(layers, image.group_config(name), names)),
        // Described elsewhere.
        ConfigKind::BrokerLogger => Ok(Vec::new()),
    }
}

/// Returns the requested keys, or `None` if all are requested.
fn wanted_keys<'a>(resource: &'a DescribeConfigsResource<'_>) -> Option<&'a [Cow<'a, str>]> {
    resource.configuration_keys.as_deref().filter(|keys| !keys.is_empty())
}

/// The root, and the modules by name.
fn describe_loggers(
    server: &ShardServer,
    resource: &DescribeConfigsResource<'_>,
) -> Result<Vec<DescribeConfigsResourceResult<'static>>, DescribeRefusal> {
    let name = resource.resource_name.as_ref();
    let own = server.broker.config().node_id();
    if name.is_empty() {
        return Err(DescribeRefusal::invalid("Broker id must not be empty"));
    }
    if broker_id(name)? != own.0 {
        return Err(DescribeRefusal::invalid(format!(
            "Unexpected broker id, expected {own} but received {name}"
        )));
    }
    let Some(loggers) = server.broker.loggers() else { return Ok(Vec::new()) };
    let levels = loggers.levels();
    let all = std::iter::once((ROOT_LOGGER, levels.root())).chain(levels.modules());
    let wanted: Option<BTreeSet<&str>> =
        wanted_keys(resource).map(|keys| keys.iter().map(|key| &**key).collect());
    let described = all.filter(|(name, _)| wanted.as_ref().is_none_or(|wanted| wanted.contains(name)));
    Ok(described.map(|(name, level)| logger(name, level)).collect())
}

fn logger(name: &'static str, level: LogLevel) -> DescribeConfigsResourceResult<'static> {
    DescribeConfigsResourceResult {
        name: name.into(),
        value: Some(level.name().into()),
        config_source: OF_BROKER_LOGGER,
        // Kafka's is empty, asked for or not.
        documentation: Some(Cow::Borrowed("")),
        ..DescribeConfigsResourceResult::default()
    }
}

fn broker_id(name: &str) -> Result<i32, DescribeRefusal> {
    name.parse()
        .map_err(|_| DescribeRefusal::invalid(format!("Broker id must be an integer, but it is: {name}")))
}

fn result<'a>(
    resource: &'a DescribeConfigsResource<'_>,
    described: Result<Vec<DescribeConfigsResourceResult<'static>>, DescribeRefusal>,
) -> DescribeConfigsResult<'a> {
    let (code, message, configs) = match described {
        Ok(configs) => (ErrorCode::None, String::new(), configs),
        Err(refusal) => (refusal.code, refusal.message, Vec::new()),
    };
    DescribeConfigsResult {
        error_code: code.code(),
        error_message: Some(Cow::Owned(message)),
        resource_type: resource.resource_type,
        resource_name: resource.resource_name.as_ref().into(),
        configs,
    }
}

fn config(
    request: &DescribeConfigsRequest<'_>,
    entry: ConfigEntry,
) -> DescribeConfigsResourceResult<'static> {
    // A key that is not in the registry is not described.
    let is_told = request.include_documentation && !entry.documentation.is_empty();
    let documentation = is_told.then_some(Cow::Borrowed(entry.documentation));
    let synonyms = if request.include_synonyms { entry.synonyms } else { Vec::new() };
    DescribeConfigsResourceResult {
        config_source: entry.source.code(),
        config_type: entry.kind.map_or(0, |kind| kind.code()),
        name: entry.name.into(),
        value: entry.value.map(Cow::Owned),
        read_only: entry.read_only,
        is_sensitive: entry.sensitive,
        synonyms: synonyms.into_iter().map(synonym).collect(),
        documentation,
    }
}

fn synonym(synonym: ConfigSynonym) -> DescribeConfigsSynonym<'static> {
    DescribeConfigsSynonym {
        source: synonym.source.code(),
        name: synonym.name.into(),
        value: synonym.value.map(Cow::Owned),
    }
}
