//! Client quotas: what users, clients and addresses may use.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use millrace_wire::ApiKey;
use millrace_wire::messages::alter_client_quotas_request::{
    AlterClientQuotasRequest, EntityData, EntryData, OpData,
};
use millrace_wire::messages::alter_client_quotas_response::AlterClientQuotasResponse;
use millrace_wire::messages::describe_client_quotas_request::{ComponentData, DescribeClientQuotasRequest};
use millrace_wire::messages::describe_client_quotas_response::DescribeClientQuotasResponse;

use crate::cluster::Cluster;
use crate::error::ClientError;
use crate::refusal::Refusal;
use crate::topics::Effect;

const DESCRIBE_CLIENT_QUOTAS: RangeInclusive<i16> = 0..=1;
const ALTER_CLIENT_QUOTAS: RangeInclusive<i16> = 0..=1;

/// How a component is matched (`DescribeClientQuotasRequest.java`).
const EXACT: i8 = 0;
const DEFAULT: i8 = 1;

/// Whom a quota is for: names by `user`, `client-id` or `ip`; nothing is whoever has no quota of its own.
pub type QuotaEntity = BTreeMap<String, Option<String>>;

/// An entity's quotas by key.
#[derive(Debug, Clone, PartialEq)]
pub struct EntityQuotas {
    pub entity: QuotaEntity,
    pub quotas: BTreeMap<String, f64>,
}

impl Cluster {
    /// The quotas of exactly this entity; all quotas where it is empty.
    pub fn quotas(&mut self, entity: &QuotaEntity) -> Result<Vec<EntityQuotas>, ClientError> {
        let component = |(kind, name): (&'_ String, &'_ Option<String>)| ComponentData {
            entity_type: kind.clone().into(),
            match_type: if name.is_some() { EXACT } else { DEFAULT },
            r#match: name.clone().map(Into::into),
        };
        let request = DescribeClientQuotasRequest {
            components: entity.iter().map(component).collect(),
            strict: !entity.is_empty(),
        };
        let answer = self.any().call(
            ApiKey::DescribeClientQuotas,
            DESCRIBE_CLIENT_QUOTAS,
            |writer, version| request.encode(writer, version),
            |reader, version| {
                let response = DescribeClientQuotasResponse::decode(reader, version)?;
                let refusal = Refusal::check(response.error_code, response.error_message.as_deref());
                Ok(refusal.map(|()| described(&response)))
            },
        )?;
        answer.map_err(ClientError::refused("a question for quotas"))
    }

    /// Sets quotas of an entity, and takes those back that have no value: all of them, or none.
    pub fn change_quotas(
        &mut self,
        entity: &QuotaEntity,
        changes: &BTreeMap<String, Option<f64>>,
        effect: Effect,
    ) -> Result<(), ClientError> {
        let component = |(kind, name): (&'_ String, &'_ Option<String>)| EntityData {
            entity_type: kind.clone().into(),
            entity_name: name.clone().map(Into::into),
        };
        let change = |(key, value): (&'_ String, &'_ Option<f64>)| OpData {
            key: key.clone().into(),
            value: value.unwrap_or_default(),
            remove: value.is_none(),
        };
        let request = AlterClientQuotasRequest {
            entries: vec![EntryData {
                entity: entity.iter().map(component).collect(),
                ops: changes.iter().map(change).collect(),
            }],
            validate_only: effect.validates(),
        };
        let answer = self.controller()?.call(
            ApiKey::AlterClientQuotas,
            ALTER_CLIENT_QUOTAS,
            |writer, version| request.encode(writer, version),
            |reader, version| {
                let response = AlterClientQuotasResponse::decode(reader, version)?;
                let entry = response.entries.first();
                Ok(entry.map(|entry| Refusal::check(entry.error_code, entry.error_message.as_deref())))
            },
        )?;
        answer.ok_or_else(ClientError::silent)?.map_err(ClientError::refused("a change of quotas"))
    }
}

/// By entity.
fn described(response: &DescribeClientQuotasResponse<'_>) -> Vec<EntityQuotas> {
    let mut found = Vec::new();
    for entry in response.entries.iter().flatten() {
        let entity = entry.entity.iter();
        found.push(EntityQuotas {
            entity: entity
                .map(|it| (it.entity_type.to_string(), it.entity_name.as_deref().map(str::to_owned)))
                .collect(),
            quotas: entry.values.iter().map(|value| (value.key.to_string(), value.value)).collect(),
        });
    }
    found.sort_by(|left, right| left.entity.cmp(&right.entity));
    found
}
