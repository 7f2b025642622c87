//! API keys and error codes: the generated tables, and which header goes with which version of an API.

pub use crate::generated::{ApiKey, ErrorCode};
use millrace_codec::Form;

/// Header version of requests without tagged fields.
const PLAIN_REQUEST_HEADER: i16 = 1;
/// Header version of requests with tagged fields.
const FLEXIBLE_REQUEST_HEADER: i16 = 2;

impl ApiKey {
    pub const fn code(self) -> i16 {
        self as i16
    }

    /// The form of the body of a version.
    pub const fn form(self, version: i16) -> Form {
        if version >= self.flexible_from() { Form::Compact } else { Form::Plain }
    }

    /// Version of the header that precedes the request. Versions newer than the newest known one count as
    /// flexible, so that an unknown ApiVersions request is still read far enough to be answered.
    pub const fn request_header_version(self, version: i16) -> i16 {
        match self.form(version) {
            Form::Plain => PLAIN_REQUEST_HEADER,
            Form::Compact => FLEXIBLE_REQUEST_HEADER,
        }
    }

    /// Whether the header that precedes the response has tagged fields. ApiVersions never has them: its
    /// response is read by clients that do not know yet what the broker speaks (KIP-511).
    pub const fn response_header_form(self, version: i16) -> Form {
        match self {
            ApiKey::ApiVersions => Form::Plain,
            _ => self.form(version),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_versions() {
        let cases = [
            (ApiKey::Produce, 8, 1, Form::Plain),
            (ApiKey::Produce, 9, 2, Form::Compact),
            (ApiKey::ApiVersions, 2, 1, Form::Plain),
            (ApiKey::ApiVersions, 4, 2, Form::Plain),
            (ApiKey::SaslHandshake, 1, 1, Form::Plain),
            (ApiKey::DescribeCluster, 0, 2, Form::Compact),
        ];
        for (api, version, request, response) in cases {
            let seen = (api.request_header_version(version), api.response_header_form(version));
            assert_eq!(seen, (request, response), "{api:?} {version}");
        }
    }

    #[test]
    fn tables_read_back() {
        for api in ApiKey::ALL {
            assert_eq!(ApiKey::from_i16(api.code()), Some(*api));
            assert!(api.min_version() <= api.max_version());
        }
        for error in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_i16(error.code()), Some(*error));
        }
        assert_eq!(ApiKey::from_i16(4), None);
        assert_eq!(ApiKey::InitProducerId.max_stable_version(), 5);
        assert_eq!(ErrorCode::NotLeaderOrFollower.name(), "NOT_LEADER_OR_FOLLOWER");
    }
}
