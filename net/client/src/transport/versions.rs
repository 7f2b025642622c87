//! What a broker reads: the first question on a connection.

use std::net::SocketAddr;
use std::time::Duration;

use millrace_wire::ApiKey;
use millrace_wire::messages::api_versions_request::ApiVersionsRequest;
use millrace_wire::messages::api_versions_response::{ApiVersion, ApiVersionsResponse};

use super::connection::Connection;
use super::dialect::{Dialect, VersionRange};
use super::frame::Frame;
use crate::error::ClientError;

const API_VERSIONS: i16 = 0;

/// Whether a broker serves at the address: it answers ApiVersions.
pub fn answers_versions(address: SocketAddr, within: Duration) -> Result<(), ClientError> {
    let mut connection = Connection::open(address)?;
    connection.set_answer_timeout(within)?;
    versions(&mut connection).map(drop)
}

/// A connection that speaks what the broker reads.
pub fn introduce(address: SocketAddr) -> Result<Connection, ClientError> {
    let mut connection = Connection::open(address)?;
    let ranges = versions(&mut connection)?;
    connection.set_dialect(Dialect::within(&ranges)?);
    Ok(connection)
}

pub(crate) fn versions(connection: &mut Connection) -> Result<Vec<VersionRange>, ClientError> {
    let request = ApiVersionsRequest::default();
    let frame = Frame::new(ApiKey::ApiVersions, API_VERSIONS, |writer| request.encode(writer, API_VERSIONS))?;
    let (code, ranges) = connection.call(&frame, |reader| {
        let response = ApiVersionsResponse::decode(reader, API_VERSIONS)?;
        let range = |api: &ApiVersion| VersionRange {
            api: api.api_key,
            least: api.min_version,
            most: api.max_version,
        };
        Ok((response.error_code, response.api_keys.iter().map(range).collect()))
    })?;
    ClientError::check("ApiVersions", code).map(|()| ranges)
}
