//! ApiVersions 0-4: what this broker serves, so that clients can choose.

use millrace_core::meta::Feature;
use millrace_wire::messages::api_versions_request::ApiVersionsRequest;
use millrace_wire::messages::api_versions_response::{
    ApiVersion, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey,
};
use millrace_wire::{ErrorCode, Reader};

use crate::api::request::context::{Outcome, RequestContext, RequestFault};

/// First version in which clients name themselves and features are listed.
const FIRST_WITH_FEATURES: i16 = 3;
/// First version that can say that a feature starts at level 0.
const FIRST_WITH_LEVEL_ZERO: i16 = 4;

/// `served` is what the broker serves.
pub(crate) fn respond(context: &RequestContext, served: Vec<ApiVersion>) -> Result<Outcome, RequestFault> {
    let version = context.version();
    let request = ApiVersionsRequest::decode(&mut Reader::new(&context.body), version)?;
    let names = [request.client_software_name.as_ref(), request.client_software_version.as_ref()];
    if version >= FIRST_WITH_FEATURES && !names.iter().all(|name| is_software_name(name)) {
        let response = ApiVersionsResponse {
            error_code: ErrorCode::InvalidRequest.code(),
            ..ApiVersionsResponse::default()
        };
        return context.respond(|writer, version| response.encode(writer, version));
    }
    if version >= FIRST_WITH_FEATURES {
        context.connection.identity.borrow_mut().software = Some(names.map(Into::into));
    }
    let supported = Feature::ALL.into_iter().map(|feature| SupportedFeatureKey {
        name: feature.name().into(),
        min_version: *feature.levels().start(),
        max_version: *feature.levels().end(),
    });
    let image = context.server.shard.image();
    let features = image.features();
    let finalized = features.used().map(|(feature, level)| FinalizedFeatureKey {
        name: feature.name().into(),
        max_version_level: level,
        min_version_level: level,
    });
    let response = ApiVersionsResponse {
        api_keys: served,
        supported_features: supported
            .filter(|feature| feature.min_version > 0 || version >= FIRST_WITH_LEVEL_ZERO)
            .collect(),
        finalized_features_epoch: features.epoch(),
        finalized_features: finalized.collect(),
        ..ApiVersionsResponse::default()
    };
    context.respond(|writer, version| response.encode(writer, version))
}

/// Responds to a version that is not served: in version 0, with only `own`, the versions of this API.
pub(crate) fn refuse(context: &RequestContext, own: Vec<ApiVersion>) -> Result<Outcome, RequestFault> {
    let response = ApiVersionsResponse {
        error_code: ErrorCode::UnsupportedVersion.code(),
        api_keys: own,
        ..ApiVersionsResponse::default()
    };
    let frame =
        context.response_header().of_version(0).frame(|writer, version| response.encode(writer, version))?;
    Ok(Outcome::Done(frame.into()))
}

/// Letters, digits, dots and dashes, the first and last a letter or digit (KIP-511).
fn is_software_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    ends.iter().all(|end| end.is_some_and(u8::is_ascii_alphanumeric))
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_client_software() {
        for (name, good) in [
            ("librdkafka", true),
            ("apache-kafka-java", true),
            ("4.3.1", true),
            ("a", true),
            ("", false),
            ("-a", false),
            ("a.", false),
            ("a b", false),
            ("\u{e4}", false),
        ] {
            assert_eq!(is_software_name(name), good, "{name}");
        }
    }
}
