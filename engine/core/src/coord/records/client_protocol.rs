//! What consumers put into JoinGroup and SyncGroup as bytes: a version, then a subscription or an assignment.

use super::generated::consumer_protocol_assignment::ConsumerProtocolAssignment;
use super::generated::consumer_protocol_subscription::ConsumerProtocolSubscription;
use millrace_codec::{DecodeError, EncodeError, Reader, Writer};

impl ConsumerProtocolSubscription {
    /// Reads what a member sent. As in Kafka, a version newer than ours is read as the newest that we know,
    /// and bytes behind it are passed over.
    pub fn parse(bytes: &[u8]) -> Result<ConsumerProtocolSubscription, DecodeError> {
        let mut reader = Reader::of_record(bytes);
        let version = reader.i16()?.min(Self::MAX_VERSION);
        Self::decode(&mut reader, version)
    }

    /// The bytes of one version, which stands in front.
    pub fn to_bytes(&self, version: i16) -> Result<Vec<u8>, EncodeError> {
        let mut writer = Writer::of_record();
        writer.i16(version);
        self.encode(&mut writer, version)?;
        Ok(writer.finish_record())
    }
}

impl ConsumerProtocolAssignment {
    /// Reads an assignment, newer versions as `ConsumerProtocolSubscription::parse` does.
    pub fn parse(bytes: &[u8]) -> Result<ConsumerProtocolAssignment, DecodeError> {
        let mut reader = Reader::of_record(bytes);
        let version = reader.i16()?.min(Self::MAX_VERSION);
        Self::decode(&mut reader, version)
    }

    /// The bytes of one version, which stands in front.
    pub fn to_bytes(&self, version: i16) -> Result<Vec<u8>, EncodeError> {
        let mut writer = Writer::of_record();
        writer.i16(version);
        self.encode(&mut writer, version)?;
        Ok(writer.finish_record())
    }
}
