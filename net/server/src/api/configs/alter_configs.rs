//! AlterConfigs 0-2: all settings of topics, brokers, groups and client metrics at once. Settings that a
//! request does not name are reset.

use std::borrow::Cow;

use millrace_core::meta::{AlterEntry, AlterOperation, OtherKeys};
use millrace_shard::ValidateOnly;
use millrace_wire::Reader;
use millrace_wire::messages::alter_configs_request::{AlterConfigsRequest, AlterableConfig};
use millrace_wire::messages::alter_configs_response::{AlterConfigsResourceResponse, AlterConfigsResponse};

use crate::api::configs::alterations::{Altered, NamedResource, alter};
use crate::api::request::context::{Outcome, RequestContext, RequestFault};

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let version = context.version();
    let request = AlterConfigsRequest::decode(&mut Reader::new(&context.body), version)?;
    let mode = if request.validate_only { ValidateOnly::Yes } else { ValidateOnly::No };
    let resources = request.resources.iter().map(|resource| NamedResource {
        kind: resource.resource_type,
        name: resource.resource_name.as_ref(),
        entries: resource.configs.iter().map(entry).collect(),
    });
    let altered = alter(&context, resources.collect(), OtherKeys::Reset, mode).await;
    let responses = altered.into_iter().map(response).collect();
    let response = AlterConfigsResponse { responses, ..AlterConfigsResponse::default() };
    context.respond(|writer, version| response.encode(writer, version))
}

fn entry(config: &AlterableConfig<'_>) -> AlterEntry {
    AlterEntry {
        key: config.name.to_string(),
        operation: AlterOperation::Set,
        value: config.value.as_ref().map(Cow::to_string),
    }
}

fn response(altered: Altered<'_>) -> AlterConfigsResourceResponse<'_> {
    AlterConfigsResourceResponse {
        error_code: altered.code.code(),
        error_message: altered.message.map(Cow::Owned),
        resource_type: altered.kind,
        resource_name: altered.name.into(),
    }
}
