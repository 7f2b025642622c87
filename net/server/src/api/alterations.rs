//! Changes of settings as AlterConfigs and IncrementalAlterConfigs share them: resources, refusals, answers.

use std::collections::BTreeMap;

use millrace_core::meta::{AlterEntry, AlterTarget, Alteration, OtherKeys};
use millrace_shard::ValidateOnly;
use millrace_wire::ErrorCode;

use crate::api::config_kind::ConfigKind;
use crate::errors;
use crate::host::Host;

/// One resource of a request.
pub(crate) struct Named<'a> {
    pub(crate) kind: i8,
    pub(crate) name: &'a str,
    pub(crate) entries: Vec<AlterEntry>,
}

/// What became of one resource. A success has no message.
pub(crate) struct Altered<'a> {
    pub(crate) kind: i8,
    pub(crate) name: &'a str,
    pub(crate) code: ErrorCode,
    pub(crate) message: Option<String>,
}

/// Carries out what is not refused at once, and answers in the order of the request.
pub(crate) async fn alter<'a>(
    host: &Host,
    resources: Vec<Named<'a>>,
    others: OtherKeys,
    mode: ValidateOnly,
) -> Vec<Altered<'a>> {
    let mut counts: BTreeMap<(i8, &str), usize> = BTreeMap::new();
    for resource in &resources {
        *counts.entry((resource.kind, resource.name)).or_default() += 1;
    }
    let mut changes = Vec::new();
    let mut answers = Vec::with_capacity(resources.len());
    for Named { kind, name, entries } in resources {
        let refusal = match target(kind, name) {
            _ if counts.get(&(kind, name)).is_some_and(|count| *count > 1) => {
                Some("Each resource must appear at most once.".to_owned())
            }
            Ok(target) => {
                changes.push(Alteration { target, entries, others });
                None
            }
            Err(message) => Some(message),
        };
        answers.push(Altered { kind, name, code: ErrorCode::InvalidRequest, message: refusal });
    }
    let mut results = match changes.is_empty() {
        true => Vec::new(),
        false => host.shard.alter_configs(changes, mode).await,
    }
    .into_iter();
    for answer in answers.iter_mut().filter(|answer| answer.message.is_none()) {
        (answer.code, answer.message) = match results.next() {
            Some(Ok(())) => (ErrorCode::None, None),
            Some(Err(error)) => (errors::of_alteration(error.kind), Some(error.message)),
            None => unreachable!("every change is answered"),
        };
    }
    if mode == ValidateOnly::No {
        let image = host.shard.image();
        host.node.per_address().learn_names(&image.config_layers(host.node.config())).await;
    }
    answers
}

fn target(kind: i8, name: &str) -> Result<AlterTarget, String> {
    match ConfigKind::from_code(kind) {
        Some(ConfigKind::Topic) => Ok(AlterTarget::Topic(name.to_owned())),
        Some(ConfigKind::Broker) => Ok(AlterTarget::Broker(name.to_owned())),
        Some(ConfigKind::Group) => Ok(AlterTarget::Group(name.to_owned())),
        Some(ConfigKind::BrokerLogger | ConfigKind::ClientMetrics) => {
            Err(format!("Settings of resource type {kind} are not served yet."))
        }
        None => Err(format!("Unknown resource type {kind}")),
    }
}
