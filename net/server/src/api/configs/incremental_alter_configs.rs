//! IncrementalAlterConfigs 0-1: single settings of topics, brokers, groups and client metrics,
//! and levels of loggers.

use std::borrow::Cow;

use millrace_core::meta::{AlterEntry, AlterOperation, OtherKeys};
use millrace_shard::ValidateOnly;
use millrace_wire::messages::incremental_alter_configs_request::{
    AlterConfigsResource, IncrementalAlterConfigsRequest,
};
use millrace_wire::messages::incremental_alter_configs_response::{
    AlterConfigsResourceResponse, IncrementalAlterConfigsResponse,
};
use millrace_wire::{ErrorCode, Reader};

use crate::api::configs::alterations::{Altered, NamedResource, alter};
use crate::api::request::context::{Outcome, RequestContext, RequestFault};

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let version = context.version();
    let request = IncrementalAlterConfigsRequest::decode(&mut Reader::new(&context.body), version)?;
    let mode = if request.validate_only { ValidateOnly::Yes } else { ValidateOnly::No };
    let mut resources = Vec::with_capacity(request.resources.len());
    let mut responses = Vec::new();
    for resource in &request.resources {
        match named(resource) {
            Some(named) => resources.push(named),
            None => responses.push(unknown_operation(resource)),
        }
    }
    let altered = alter(&context, resources, OtherKeys::Keep, mode).await;
    responses.extend(altered.into_iter().map(response));
    let response =
        IncrementalAlterConfigsResponse { responses, ..IncrementalAlterConfigsResponse::default() };
    context.respond(|writer, version| response.encode(writer, version))
}

fn named<'a>(resource: &'a AlterConfigsResource<'_>) -> Option<NamedResource<'a>> {
    let entries: Option<Vec<AlterEntry>> = resource
        .configs
        .iter()
        .map(|config| {
            Some(AlterEntry {
                key: config.name.to_string(),
                operation: operation(config.config_operation)?,
                value: config.value.as_ref().map(Cow::to_string),
            })
        })
        .collect();
    Some(NamedResource {
        kind: resource.resource_type,
        name: resource.resource_name.as_ref(),
        entries: entries?,
    })
}

fn operation(code: i8) -> Option<AlterOperation> {
    match code {
        0 => Some(AlterOperation::Set),
        1 => Some(AlterOperation::Delete),
        2 => Some(AlterOperation::Append),
        3 => Some(AlterOperation::Subtract),
        _ => None,
    }
}

/// Kafka's controller fails on such a request and responds so.
fn unknown_operation<'a>(resource: &'a AlterConfigsResource<'_>) -> AlterConfigsResourceResponse<'a> {
    AlterConfigsResourceResponse {
        error_code: ErrorCode::UnknownServerError.code(),
        error_message: None,
        resource_type: resource.resource_type,
        resource_name: resource.resource_name.as_ref().into(),
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
