//! Changes of settings as AlterConfigs and IncrementalAlterConfigs share them: resources,
//! refusals, responses.

use std::collections::BTreeMap;

use millrace_core::base::BrokerId;
use millrace_core::meta::{AlterEntry, AlterError, AlterErrorKind, AlterTarget, Alteration, OtherKeys};
use millrace_shard::ValidateOnly;
use millrace_wire::ErrorCode;

use crate::api::configs::config_kind::ConfigKind;
use crate::api::errors;
use crate::api::request::context::RequestContext;
use crate::broker::addresses::EndpointType;
use crate::shard_server::ShardServer;

/// One resource of a request.
pub(crate) struct NamedResource<'a> {
    pub(crate) kind: i8,
    pub(crate) name: &'a str,
    pub(crate) entries: Vec<AlterEntry>,
}

/// The outcome of one resource. A success has no message.
pub(crate) struct Altered<'a> {
    pub(crate) kind: i8,
    pub(crate) name: &'a str,
    pub(crate) code: ErrorCode,
    pub(crate) message: Option<String>,
}

/// Carries out what is not refused at once. Returns the outcomes in the order of the request.
pub(crate) async fn alter<'a>(
    context: &RequestContext,
    resources: Vec<NamedResource<'a>>,
    others: OtherKeys,
    mode: ValidateOnly,
) -> Vec<Altered<'a>> {
    let server = &*context.server;
    let mut counts: BTreeMap<(i8, &str), usize> = BTreeMap::new();
    for resource in &resources {
        *counts.entry((resource.kind, resource.name)).or_default() += 1;
    }
    let mut changes = Vec::new();
    let mut outcomes = Vec::with_capacity(resources.len());
    for NamedResource { kind, name, entries } in resources {
        let outcome = match target(kind, name, others) {
            _ if counts.get(&(kind, name)).is_some_and(|count| *count > 1) => {
                Some(Err(AlterError::request("Each resource must appear at most once.")))
            }
            Ok(Target::Settings(target)) => match check_of_controllers(context, &target) {
                Ok(()) => {
                    changes.push(Alteration { target, entries, others });
                    None
                }
                Err(error) => Some(Err(error)),
            },
            Ok(Target::Loggers) => Some(alter_loggers(server, name, &entries, mode)),
            Err(error) => Some(Err(error)),
        };
        outcomes.push((kind, name, outcome));
    }
    let mut results = match changes.is_empty() {
        true => Vec::new(),
        false => server.shard.alter_configs(changes, mode).await,
    }
    .into_iter();
    let mut responses = Vec::with_capacity(outcomes.len());
    for (kind, name, outcome) in outcomes {
        let (code, message) = match outcome.or_else(|| results.next()) {
            Some(Ok(())) => (ErrorCode::None, None),
            Some(Err(error)) => (errors::of_alteration(error.kind), Some(error.message)),
            None => unreachable!("every change is answered"),
        };
        responses.push(Altered { kind, name, code, message });
    }
    if mode == ValidateOnly::No {
        let image = server.shard.image();
        server.broker.address_counts().learn_names(&image.config_layers(server.broker.config())).await;
    }
    responses
}

/// Where a change goes.
enum Target {
    /// To the metadata log.
    Settings(AlterTarget),
    /// To the process's log, until it ends.
    Loggers,
}

fn target(kind: i8, name: &str, others: OtherKeys) -> Result<Target, AlterError> {
    match ConfigKind::from_code(kind) {
        Some(ConfigKind::Topic) => Ok(Target::Settings(AlterTarget::Topic(name.to_owned()))),
        Some(ConfigKind::Broker) => Ok(Target::Settings(AlterTarget::Broker(name.to_owned()))),
        Some(ConfigKind::Group) => Ok(Target::Settings(AlterTarget::Group(name.to_owned()))),
        Some(ConfigKind::BrokerLogger) if others == OtherKeys::Keep => Ok(Target::Loggers),
        Some(ConfigKind::ClientMetrics) => Ok(Target::Settings(AlterTarget::ClientMetrics(name.to_owned()))),
        Some(ConfigKind::BrokerLogger) | None => {
            Err(AlterError::request(format!("Unknown resource type {kind}")))
        }
    }
}

/// A broker changes its own settings, a controller those of every broker that it knows. The messages are
/// those of Kafka's controller (`ControllerConfigurationValidator`).
fn check_of_controllers(context: &RequestContext, target: &AlterTarget) -> Result<(), AlterError> {
    let name = match target {
        AlterTarget::Broker(name) if !name.is_empty() => name,
        _ => return Ok(()),
    };
    if context.connection.endpoint_type != EndpointType::Controller {
        return Ok(());
    }
    match name.parse().map(BrokerId) {
        Err(_) => Err(AlterError::request("Unable to parse broker name as a base 10 number.")),
        Ok(id) if id < BrokerId(0) => Err(AlterError::request("Invalid negative broker ID.")),
        Ok(id) if context.server.shard.image().broker(id).is_none() => Err(AlterError {
            kind: AlterErrorKind::UnknownBroker,
            message: format!("No node with id {id} found."),
        }),
        Ok(_) => Ok(()),
    }
}

fn alter_loggers(
    server: &ShardServer,
    name: &str,
    entries: &[AlterEntry],
    mode: ValidateOnly,
) -> Result<(), AlterError> {
    let own = server.broker.config().node_id();
    match name.parse().map(BrokerId) {
        Err(_) => Err(AlterError::request(format!("Node id must be an integer, but it is: {name}"))),
        Ok(id) if id != own => {
            Err(AlterError::request(format!("Unexpected node id. Expected {own}, but received {name}")))
        }
        Ok(_) => server.broker.loggers().map_or_else(
            || Err(AlterError::request("The log of this process is not the broker's.")),
            |loggers| loggers.alter(entries, mode),
        ),
    }
}
