//! DescribeClientQuotas 0-1: the quotas of the entities that match a filter.

use std::borrow::Cow;

use millrace_core::meta::{FilterPart, QuotaEntity, QuotaValues, Strict, describe_client_quotas};
use millrace_wire::Reader;
use millrace_wire::messages::describe_client_quotas_request::DescribeClientQuotasRequest;
use millrace_wire::messages::describe_client_quotas_response::{
    DescribeClientQuotasResponse, EntityData, EntryData, ValueData,
};

use crate::api::errors;
use crate::api::request::context::{Outcome, RequestContext, RequestFault};

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let version = context.version();
    let request = DescribeClientQuotasRequest::decode(&mut Reader::new(&context.body), version)?;
    let filter: Vec<FilterPart<'_>> = request
        .components
        .iter()
        .map(|part| FilterPart {
            kind: &part.entity_type,
            match_type: part.match_type,
            name: part.r#match.as_deref(),
        })
        .collect();
    let strict = if request.strict { Strict::Yes } else { Strict::No };
    let image = context.server.shard.image();
    let response = match describe_client_quotas(image.client_quotas(), &filter, strict) {
        Ok(found) => DescribeClientQuotasResponse {
            // As Kafka: empty, and not null.
            error_message: Some("".into()),
            entries: Some(found.into_iter().map(described).collect()),
            ..DescribeClientQuotasResponse::default()
        },
        Err(error) => DescribeClientQuotasResponse {
            error_code: errors::of_quota(error.kind).code(),
            error_message: Some(error.message.into()),
            entries: None,
            ..DescribeClientQuotasResponse::default()
        },
    };
    context.respond(|writer, version| response.encode(writer, version))
}

fn described<'a>((entity, values): (&'a QuotaEntity, &'a QuotaValues)) -> EntryData<'a> {
    let parts = entity.parts().map(|(kind, name)| EntityData {
        entity_type: kind.name().into(),
        entity_name: name.named().map(Cow::Borrowed),
    });
    let values = values.iter().map(|(key, value)| ValueData { key: key.name().into(), value: value.get() });
    EntryData { entity: parts.collect(), values: values.collect() }
}
