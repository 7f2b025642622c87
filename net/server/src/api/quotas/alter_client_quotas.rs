//! AlterClientQuotas 0-1: sets quotas of users, client ids and addresses, and takes them away.

use std::borrow::Cow;

use millrace_core::meta::{AlteredQuota, Host, NamedEntity, QuotaAlteration};
use millrace_shard::ValidateOnly;
use millrace_wire::messages::alter_client_quotas_request::{AlterClientQuotasRequest, EntryData as Wanted};
use millrace_wire::messages::alter_client_quotas_response::{
    AlterClientQuotasResponse, EntityData, EntryData,
};
use millrace_wire::{ErrorCode, Reader};

use crate::api::errors;
use crate::api::request::context::{Outcome, RequestContext, RequestFault};
use crate::quota::addresses_of;

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let version = context.version();
    let request = AlterClientQuotasRequest::decode(&mut Reader::new(&context.body), version)?;
    let mode = if request.validate_only { ValidateOnly::Yes } else { ValidateOnly::No };
    let mut alterations = Vec::with_capacity(request.entries.len());
    for entry in &request.entries {
        alterations.push(alteration(entry).await);
    }
    let results = match alterations.is_empty() {
        true => Vec::new(),
        false => context.server.shard.alter_client_quotas(alterations, mode).await,
    };
    if mode == ValidateOnly::No {
        context.server.learn_address_rates().await;
    }
    let entries = results.iter().map(answered).collect();
    let response = AlterClientQuotasResponse { entries, ..AlterClientQuotasResponse::default() };
    context.respond(|writer, version| response.encode(writer, version))
}

async fn alteration(entry: &Wanted<'_>) -> QuotaAlteration {
    let parts = entry.entity.iter().map(|part| (&*part.entity_type, part.entity_name.as_deref()));
    let entity = NamedEntity::new(parts);
    let host = match entity.host() {
        Some(host) if addresses_of(host).await.is_empty() => Host::Unknown,
        _ => Host::Known,
    };
    let op = |op: &millrace_wire::messages::alter_client_quotas_request::OpData<'_>| {
        (op.key.to_string(), (!op.remove).then_some(op.value))
    };
    QuotaAlteration { entity, host, ops: entry.ops.iter().map(op).collect() }
}

fn answered((entity, result): &AlteredQuota) -> EntryData<'_> {
    let error = result.as_ref().err();
    let part = |(kind, name): (&str, Option<&str>)| EntityData {
        entity_type: Cow::Owned(kind.to_owned()),
        entity_name: name.map(|name| Cow::Owned(name.to_owned())),
    };
    EntryData {
        error_code: error.map_or(ErrorCode::None, |error| errors::of_quota(error.kind)).code(),
        error_message: error.map(|error| Cow::Borrowed(error.message.as_str())),
        entity: entity.parts().map(part).collect(),
    }
}
