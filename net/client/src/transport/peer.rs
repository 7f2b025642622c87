//! One broker that is asked: its connection, and what it reads.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use millrace_wire::{ApiKey, DecodeError, EncodeError, Reader, Writer};

use super::connection::Connection;
use super::dialect::{VersionRange, newest_common};
use super::frame::Frame;
use super::versions::versions;
use crate::error::ClientError;

pub(crate) struct Peer {
    connection: Connection,
    ranges: Vec<VersionRange>,
}

impl Peer {
    pub(crate) fn open(address: SocketAddr) -> Result<Peer, ClientError> {
        let mut connection = Connection::open(address)?;
        let ranges = versions(&mut connection)?;
        Ok(Peer { connection, ranges })
    }

    pub(crate) fn serves(&self, api: ApiKey) -> bool {
        self.ranges.iter().any(|range| range.api == api.code())
    }

    /// From now on answers are waited for so long.
    pub(crate) fn set_answer_timeout(&mut self, timeout: Duration) -> Result<(), ClientError> {
        self.connection.set_answer_timeout(timeout)
    }

    /// One request in the newest version that both sides know, and its answer.
    pub(crate) fn call<T>(
        &mut self,
        api: ApiKey,
        ours: RangeInclusive<i16>,
        encode: impl FnOnce(&mut Writer, i16) -> Result<(), EncodeError>,
        decode: impl FnOnce(&mut Reader<'_>, i16) -> Result<T, DecodeError>,
    ) -> Result<T, ClientError> {
        let version = newest_common(&self.ranges, api, ours)?;
        let frame = Frame::new(api, version, |writer| encode(writer, version))?;
        self.connection.call(&frame, |reader| decode(reader, version))
    }

    /// Sends a request that is never answered.
    pub(crate) fn tell(
        &mut self,
        api: ApiKey,
        ours: RangeInclusive<i16>,
        encode: impl FnOnce(&mut Writer, i16) -> Result<(), EncodeError>,
    ) -> Result<(), ClientError> {
        let version = newest_common(&self.ranges, api, ours)?;
        let frame = Frame::new(api, version, |writer| encode(writer, version))?;
        self.connection.send_unanswered(&frame)
    }

    /// Asks for anything: the answer comes when the broker has read all that was sent before.
    pub(crate) fn greet(&mut self) -> Result<(), ClientError> {
        versions(&mut self.connection).map(drop)
    }
}
