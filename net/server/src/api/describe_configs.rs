//! DescribeConfigs 1-4: values, defaults, sources and synonyms of the configuration of topics, brokers and groups.

use std::borrow::Cow;

use millrace_core::base::config::{
    ConfigEntry, ConfigSynonym, describe_broker, describe_broker_default, describe_group, describe_topic,
};
use millrace_core::meta::{MetadataImage, check_topic_name};
use millrace_wire::messages::describe_configs_request::{DescribeConfigsRequest, DescribeConfigsResource};
use millrace_wire::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResponse, DescribeConfigsResult, DescribeConfigsSynonym,
};
use millrace_wire::{ErrorCode, Reader};

use crate::api::call::{Call, CallFault, Outcome};
use crate::api::config_kind::ConfigKind;
use crate::errors::generic_message;
use crate::host::Host;

/// Why a resource is not described. The message is empty, never null, where there is nothing to say.
struct Refusal {
    code: ErrorCode,
    message: String,
}

impl Refusal {
    fn invalid(message: impl Into<String>) -> Refusal {
        Refusal { code: ErrorCode::InvalidRequest, message: message.into() }
    }
}

pub(crate) async fn handle(call: Call) -> Result<Outcome, CallFault> {
    let version = call.version();
    let request = DescribeConfigsRequest::decode(&mut Reader::new(&call.body), version)?;
    let host = &call.host;
    let image = host.shard.image();
    // As in Kafka a kind that nobody knows refuses the whole request.
    let all_known =
        request.resources.iter().all(|resource| ConfigKind::from_code(resource.resource_type).is_some());
    let results = request.resources.iter().map(|resource| {
        let described = match (all_known, ConfigKind::from_code(resource.resource_type)) {
            (true, Some(kind)) => describe(host, &image, kind, resource),
            _ => Err(Refusal::invalid(generic_message(ErrorCode::InvalidRequest))),
        };
        result(&request, resource, described)
    });
    let response =
        DescribeConfigsResponse { results: results.collect(), ..DescribeConfigsResponse::default() };
    call.answer(|writer, version| response.encode(writer, version))
}

fn describe(
    host: &Host,
    image: &MetadataImage,
    kind: ConfigKind,
    resource: &DescribeConfigsResource<'_>,
) -> Result<Vec<ConfigEntry>, Refusal> {
    let broker = host.node.config();
    let layers = image.config_layers(broker);
    let names: Option<Vec<String>> = resource
        .configuration_keys
        .as_ref()
        .filter(|keys| !keys.is_empty())
        .map(|keys| keys.iter().map(Cow::to_string).collect());
    let names = names.as_deref();
    let name = resource.resource_name.as_ref();
    match kind {
        ConfigKind::Topic => {
            check_topic_name(name)
                .map_err(|message| Refusal { code: ErrorCode::InvalidTopicException, message })?;
            let missing = Refusal { code: ErrorCode::UnknownTopicOrPartition, message: String::new() };
            let topic = image.topic(name).ok_or(missing)?;
            Ok(describe_topic(layers, &topic.configs, names))
        }
        ConfigKind::Broker if name.is_empty() => Ok(describe_broker_default(layers, names)),
        ConfigKind::Broker if broker_id(name)? == broker.node_id().0 => Ok(describe_broker(layers, names)),
        ConfigKind::Broker => {
            let own = broker.node_id();
            Err(Refusal::invalid(format!(
                "Unexpected broker id, expected {own} or empty string, but received {name}"
            )))
        }
        ConfigKind::BrokerLogger if name.is_empty() => Err(Refusal::invalid("Broker id must not be empty")),
        ConfigKind::BrokerLogger if broker_id(name)? != broker.node_id().0 => {
            let own = broker.node_id();
            Err(Refusal::invalid(format!("Unexpected broker id, expected {own} but received {name}")))
        }
        ConfigKind::ClientMetrics if name.is_empty() => {
            Err(Refusal::invalid("Client metrics subscription name must not be empty"))
        }
        ConfigKind::Group if name.is_empty() => Err(Refusal::invalid("Group name must not be empty")),
        ConfigKind::Group => Ok(describe_group(layers, image.group_config(name), names)),
        // Nothing of these can be set yet.
        ConfigKind::BrokerLogger | ConfigKind::ClientMetrics => Ok(Vec::new()),
    }
}

fn broker_id(name: &str) -> Result<i32, Refusal> {
    name.parse().map_err(|_| Refusal::invalid(format!("Broker id must be an integer, but it is: {name}")))
}

fn result<'a>(
    request: &DescribeConfigsRequest<'_>,
    resource: &'a DescribeConfigsResource<'_>,
    described: Result<Vec<ConfigEntry>, Refusal>,
) -> DescribeConfigsResult<'a> {
    let (code, message, entries) = match described {
        Ok(entries) => (ErrorCode::None, String::new(), entries),
        Err(refusal) => (refusal.code, refusal.message, Vec::new()),
    };
    DescribeConfigsResult {
        error_code: code.code(),
        error_message: Some(Cow::Owned(message)),
        resource_type: resource.resource_type,
        resource_name: resource.resource_name.as_ref().into(),
        configs: entries.into_iter().map(|entry| config(request, entry)).collect(),
    }
}

fn config(
    request: &DescribeConfigsRequest<'_>,
    entry: ConfigEntry,
) -> DescribeConfigsResourceResult<'static> {
    let documentation = request.include_documentation.then_some(Cow::Borrowed(entry.documentation));
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
