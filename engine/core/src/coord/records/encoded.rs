//! Records as Kafka's group coordinator appends them: keys, and values in the version that Kafka 4.3 chooses.

use super::generated::GroupRecord;
use millrace_codec::EncodeError;

/// Offsets that expire at a time of their own; only commits of before Kafka 2.1 ask for that.
const OFFSET_WITH_EXPIRY_VERSION: i16 = 1;

/// The first version with a topic id.
const OFFSET_VERSION: i16 = 4;

/// Kafka keeps to the last version without tagged fields, which brokers before 3.5 read.
const GROUP_VERSION: i16 = 3;

/// The bytes of a record of `__consumer_offsets`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedRecord {
    pub key: Vec<u8>,
    /// Nothing for a tombstone.
    pub value: Option<Vec<u8>>,
}

impl GroupRecord {
    /// The bytes to append; an error only for text that Kafka's format has no room for.
    pub fn encode(&self) -> Result<EncodedRecord, EncodeError> {
        let value = self.encode_value(self.written_version())?;
        Ok(EncodedRecord { key: self.encode_key()?, value })
    }

    fn written_version(&self) -> i16 {
        match self {
            GroupRecord::OffsetCommit(_, Some(value)) if value.expire_timestamp >= 0 => {
                OFFSET_WITH_EXPIRY_VERSION
            }
            GroupRecord::OffsetCommit(..) => OFFSET_VERSION,
            GroupRecord::GroupMetadata(..) => GROUP_VERSION,
            _ => 0,
        }
    }
}
