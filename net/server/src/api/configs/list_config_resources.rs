//! ListConfigResources 0-1: the resources that have settings.
//! Version 0 is Kafka's older ListClientMetricsResources.

use std::collections::BTreeSet;

use millrace_core::meta::MetadataImage;
use millrace_wire::messages::list_config_resources_request::ListConfigResourcesRequest;
use millrace_wire::messages::list_config_resources_response::{ConfigResource, ListConfigResourcesResponse};
use millrace_wire::{ErrorCode, Reader};

use crate::api::configs::config_kind::ConfigKind;
use crate::api::request::context::{Outcome, RequestContext, RequestFault};

/// First version that knows more than client metrics.
const FIRST_WITH_TYPES: i16 = 1;

/// All kinds, in the order in which Kafka lists what is of them.
const LISTED: [ConfigKind; 5] = [
    ConfigKind::Group,
    ConfigKind::ClientMetrics,
    ConfigKind::BrokerLogger,
    ConfigKind::Broker,
    ConfigKind::Topic,
];

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let version = context.version();
    let request = ListConfigResourcesRequest::decode(&mut Reader::new(&context.body), version)?;
    let image = context.server.shard.image();
    let response = match wanted(&request.resource_types, version) {
        Some(wanted) => {
            let listed = LISTED.into_iter().filter(|kind| wanted.contains(&kind.code()));
            ListConfigResourcesResponse {
                config_resources: listed.flat_map(|kind| resources(&image, kind)).collect(),
                ..ListConfigResourcesResponse::default()
            }
        }
        None => ListConfigResourcesResponse {
            error_code: ErrorCode::UnsupportedVersion.code(),
            ..ListConfigResourcesResponse::default()
        },
    };
    context.respond(|writer, version| response.encode(writer, version))
}

/// Returns the requested kinds, or `None` if one of them is unknown.
fn wanted(asked: &[i8], version: i16) -> Option<BTreeSet<i8>> {
    if version < FIRST_WITH_TYPES {
        return Some(BTreeSet::from([ConfigKind::ClientMetrics.code()]));
    }
    if asked.is_empty() {
        return Some(LISTED.into_iter().map(ConfigKind::code).collect());
    }
    asked.iter().map(|code| ConfigKind::from_code(*code).map(ConfigKind::code)).collect()
}

fn resources(image: &MetadataImage, kind: ConfigKind) -> Vec<ConfigResource<'_>> {
    let resource = |name: String| ConfigResource { resource_name: name.into(), resource_type: kind.code() };
    match kind {
        ConfigKind::Topic => image.topics().map(|topic| resource(topic.name.to_string())).collect(),
        ConfigKind::Broker | ConfigKind::BrokerLogger => {
            image.brokers().map(|broker| resource(broker.id.to_string())).collect()
        }
        ConfigKind::Group => image.group_configs().map(|(group, _)| resource(group.to_string())).collect(),
        ConfigKind::ClientMetrics => {
            image.client_metrics().keys().map(|name| resource(name.to_string())).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for() {
        let kinds = |asked: &[i8], version| wanted(asked, version).map(Vec::from_iter);
        for (asked, version, expected) in [
            (&[][..], 0, Some(vec![16])),
            (&[2], 0, Some(vec![16])),
            (&[], 1, Some(vec![2, 4, 8, 16, 32])),
            (&[4, 2, 4], 1, Some(vec![2, 4])),
            (&[4, 3], 1, None),
            (&[0], 1, None),
            (&[-1], 1, None),
        ] {
            assert_eq!(kinds(asked, version), expected, "{asked:?} version {version}");
        }
    }
}
