//! UpdateFeatures 0-2: the levels at which the cluster uses its features, all of a request or none.

use std::borrow::Cow;

use millrace_core::meta::{FeatureUpdate, UpgradeType};
use millrace_shard::ValidateOnly;
use millrace_wire::messages::update_features_request::{FeatureUpdateKey, UpdateFeaturesRequest};
use millrace_wire::messages::update_features_response::{UpdatableFeatureResult, UpdateFeaturesResponse};
use millrace_wire::{ErrorCode, Reader};

use crate::api::errors::{self, generic_message};
use crate::api::request::context::{Outcome, RequestContext, RequestFault};

/// First version that says in which direction a level changes. The older flag has no effect in Kafka either.
const FIRST_WITH_UPGRADE_TYPE: i16 = 1;
/// First version that does not name each feature again.
const FIRST_WITHOUT_RESULTS: i16 = 2;

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let version = context.version();
    let request = UpdateFeaturesRequest::decode(&mut Reader::new(&context.body), version)?;
    let updates = request.feature_updates.iter().map(|key| update(key, version)).collect();
    let mode = if request.validate_only { ValidateOnly::Yes } else { ValidateOnly::No };
    let response = match context.server.shard.update_features(updates, mode).await {
        Ok(()) => UpdateFeaturesResponse {
            error_message: None,
            results: match version {
                ..FIRST_WITHOUT_RESULTS => request.feature_updates.iter().map(result).collect(),
                _ => Vec::new(),
            },
            ..UpdateFeaturesResponse::default()
        },
        Err(error) => UpdateFeaturesResponse {
            error_code: errors::of_features(&error).code(),
            error_message: Some(Cow::Owned(error.to_string())),
            ..UpdateFeaturesResponse::default()
        },
    };
    context.respond(|writer, version| response.encode(writer, version))
}

fn update(key: &FeatureUpdateKey<'_>, version: i16) -> FeatureUpdate {
    FeatureUpdate {
        name: key.feature.to_string(),
        level: key.max_version_level,
        upgrade: match version {
            ..FIRST_WITH_UPGRADE_TYPE => UpgradeType::Upgrade,
            _ => UpgradeType::from_code(key.upgrade_type),
        },
    }
}

fn result<'a>(key: &'a FeatureUpdateKey<'_>) -> UpdatableFeatureResult<'a> {
    UpdatableFeatureResult {
        feature: key.feature.as_ref().into(),
        error_code: ErrorCode::None.code(),
        error_message: Some(generic_message(ErrorCode::None).into()),
    }
}
