//! The one place where errors of the engine become error codes and messages of Kafka.

use millrace_core::coord::GroupError;
use millrace_core::log::{BatchFault, ProducerFault};
use millrace_core::meta::{AlterErrorKind, FeatureError, QuotaErrorKind, TopicError, TopicErrorKind};
use millrace_shard::{AppendError, DeleteRecordsError, FetchError};
use millrace_wire::ErrorCode;

use crate::session::SessionFault;

/// The error for clients that ask for transactions, which are not served yet. It is the only code that makes
/// every client give up: librdkafka retries for ever after any other response about a coordinator, even
/// `UNSUPPORTED_VERSION` and `INVALID_REQUEST`. Java's client,
/// franz-go and sarama fail with each code that may not be retried.
pub(crate) const TRANSACTIONS_NOT_SERVED: ErrorCode = ErrorCode::TransactionalIdAuthorizationFailed;

/// Whether Kafka's produce response names the log's start beside an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogStart {
    Unknown,
    Named,
}

/// An append's error as a produce response carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AppendFault {
    pub(crate) code: ErrorCode,
    pub(crate) log_start: LogStart,
}

/// `ReplicaManager.appendRecordsToLocalLog` names the log's start for every error but the few it treats
/// apart.
pub(crate) fn of_append(error: &AppendError) -> AppendFault {
    let (code, log_start) = match error {
        AppendError::UnknownPartition => (ErrorCode::UnknownTopicOrPartition, LogStart::Unknown),
        AppendError::Batch(fault) => return of_batch(fault),
        AppendError::Producer(ProducerFault::InvalidEpoch { .. }) => {
            (ErrorCode::InvalidProducerEpoch, LogStart::Named)
        }
        AppendError::Producer(ProducerFault::NewEpochNotAtZero { .. } | ProducerFault::OutOfOrder { .. }) => {
            (ErrorCode::OutOfOrderSequenceNumber, LogStart::Named)
        }
        AppendError::Transactional => (ErrorCode::InvalidTxnState, LogStart::Unknown),
        // Kafka has no such bound. Every client sends such a batch again, in its place.
        AppendError::Storage
        | AppendError::NoSpace
        | AppendError::Overdue
        | AppendError::TooManyProducers => (ErrorCode::KafkaStorageError, LogStart::Unknown),
    };
    AppendFault { code, log_start }
}

fn of_batch(fault: &BatchFault) -> AppendFault {
    use ErrorCode as Code;
    use LogStart::{Named, Unknown};
    let (code, log_start) = match fault {
        BatchFault::Incomplete { .. }
        | BatchFault::OldMagic(_)
        | BatchFault::NoBatch
        | BatchFault::SeveralBatches => (Code::InvalidRecord, Unknown),
        BatchFault::LengthTooSmall { .. } | BatchFault::UnknownMagic(_) | BatchFault::Checksum { .. } => {
            (Code::CorruptMessage, Unknown)
        }
        BatchFault::MessageTooLarge { .. } => (Code::MessageTooLarge, Unknown),
        BatchFault::LargerThanSegment { .. } => (Code::RecordListTooLarge, Unknown),
        BatchFault::ZstdTooEarly(_) => (Code::UnsupportedCompressionType, Unknown),
        BatchFault::UnknownCodec(_) | BatchFault::Undecodable => (Code::UnknownServerError, Named),
        BatchFault::InvalidTimestamps(_) => (Code::InvalidTimestamp, Named),
        BatchFault::BaseOffset(_)
        | BatchFault::OffsetRange { .. }
        | BatchFault::RecordsCount(_)
        | BatchFault::CountMismatch { .. }
        | BatchFault::ControlFromClient
        | BatchFault::NegativeSequence { .. }
        | BatchFault::Bomb { .. }
        | BatchFault::Record(_)
        | BatchFault::InvalidRecords(_) => (Code::InvalidRecord, Named),
    };
    AppendFault { code, log_start }
}

pub(crate) fn of_fetch(error: &FetchError) -> ErrorCode {
    match error {
        FetchError::UnknownPartition => ErrorCode::UnknownTopicOrPartition,
        FetchError::OffsetOutOfRange => ErrorCode::OffsetOutOfRange,
        FetchError::FencedLeaderEpoch => ErrorCode::FencedLeaderEpoch,
        FetchError::UnknownLeaderEpoch => ErrorCode::UnknownLeaderEpoch,
        FetchError::Storage | FetchError::Compacted => ErrorCode::KafkaStorageError,
        FetchError::Corrupt => ErrorCode::CorruptMessage,
    }
}

pub(crate) fn of_session(fault: SessionFault) -> ErrorCode {
    match fault {
        SessionFault::UnknownId => ErrorCode::FetchSessionIdNotFound,
        SessionFault::WrongEpoch => ErrorCode::InvalidFetchSessionEpoch,
        SessionFault::OtherNaming => ErrorCode::FetchSessionTopicIdError,
    }
}

pub(crate) fn of_topic(kind: TopicErrorKind) -> ErrorCode {
    match kind {
        TopicErrorKind::InvalidTopic => ErrorCode::InvalidTopicException,
        TopicErrorKind::TopicExists => ErrorCode::TopicAlreadyExists,
        TopicErrorKind::InvalidPartitions => ErrorCode::InvalidPartitions,
        TopicErrorKind::InvalidReplicationFactor => ErrorCode::InvalidReplicationFactor,
        TopicErrorKind::InvalidReplicaAssignment => ErrorCode::InvalidReplicaAssignment,
        TopicErrorKind::InvalidConfig => ErrorCode::InvalidConfig,
        TopicErrorKind::InvalidRequest => ErrorCode::InvalidRequest,
        TopicErrorKind::PolicyViolation => ErrorCode::PolicyViolation,
        TopicErrorKind::UnknownTopic => ErrorCode::UnknownTopicOrPartition,
        TopicErrorKind::UnknownTopicId => ErrorCode::UnknownTopicId,
        TopicErrorKind::QuotaExceeded => ErrorCode::ThrottlingQuotaExceeded,
        TopicErrorKind::Storage => ErrorCode::KafkaStorageError,
    }
}

pub(crate) fn of_delete_records(error: DeleteRecordsError) -> ErrorCode {
    match error {
        DeleteRecordsError::UnknownPartition => ErrorCode::UnknownTopicOrPartition,
        DeleteRecordsError::OffsetOutOfRange => ErrorCode::OffsetOutOfRange,
        DeleteRecordsError::OnlyCompacted => ErrorCode::PolicyViolation,
    }
}

pub(crate) fn of_group(error: GroupError) -> ErrorCode {
    match error {
        GroupError::CoordinatorNotAvailable => ErrorCode::CoordinatorNotAvailable,
        GroupError::CoordinatorLoadInProgress => ErrorCode::CoordinatorLoadInProgress,
        GroupError::NotCoordinator => ErrorCode::NotCoordinator,
        GroupError::UnknownServerError => ErrorCode::UnknownServerError,
        GroupError::InvalidGroupId => ErrorCode::InvalidGroupId,
        GroupError::IllegalGeneration => ErrorCode::IllegalGeneration,
        GroupError::UnknownMemberId => ErrorCode::UnknownMemberId,
        GroupError::InconsistentGroupProtocol => ErrorCode::InconsistentGroupProtocol,
        GroupError::InvalidSessionTimeout => ErrorCode::InvalidSessionTimeout,
        GroupError::RebalanceInProgress => ErrorCode::RebalanceInProgress,
        GroupError::GroupMaxSizeReached => ErrorCode::GroupMaxSizeReached,
        GroupError::MemberIdRequired => ErrorCode::MemberIdRequired,
        GroupError::FencedInstanceId => ErrorCode::FencedInstanceId,
        GroupError::GroupIdNotFound => ErrorCode::GroupIdNotFound,
        GroupError::NonEmptyGroup => ErrorCode::NonEmptyGroup,
        GroupError::GroupSubscribedToTopic => ErrorCode::GroupSubscribedToTopic,
        GroupError::OffsetMetadataTooLarge => ErrorCode::OffsetMetadataTooLarge,
        GroupError::InvalidRequest => ErrorCode::InvalidRequest,
        GroupError::UnsupportedVersion => ErrorCode::UnsupportedVersion,
        GroupError::StaleMemberEpoch => ErrorCode::StaleMemberEpoch,
        GroupError::FencedMemberEpoch => ErrorCode::FencedMemberEpoch,
        GroupError::UnreleasedInstanceId => ErrorCode::UnreleasedInstanceId,
        GroupError::UnsupportedAssignor => ErrorCode::UnsupportedAssignor,
        GroupError::InvalidRegularExpression => ErrorCode::InvalidRegularExpression,
    }
}

pub(crate) fn of_group_result<T>(result: &Result<T, GroupError>) -> ErrorCode {
    result.as_ref().err().map_or(ErrorCode::None, |error| of_group(*error))
}

pub(crate) fn of_alteration(kind: AlterErrorKind) -> ErrorCode {
    match kind {
        AlterErrorKind::InvalidConfig => ErrorCode::InvalidConfig,
        AlterErrorKind::InvalidRequest => ErrorCode::InvalidRequest,
        AlterErrorKind::InvalidTopic => ErrorCode::InvalidTopicException,
        AlterErrorKind::UnknownTopic => ErrorCode::UnknownTopicOrPartition,
        AlterErrorKind::UnknownBroker => ErrorCode::BrokerIdNotRegistered,
        AlterErrorKind::Storage => ErrorCode::KafkaStorageError,
    }
}

pub(crate) fn of_quota(kind: QuotaErrorKind) -> ErrorCode {
    match kind {
        QuotaErrorKind::InvalidRequest => ErrorCode::InvalidRequest,
        QuotaErrorKind::UnsupportedVersion => ErrorCode::UnsupportedVersion,
        QuotaErrorKind::Storage => ErrorCode::KafkaStorageError,
    }
}

/// Returns the message beside the code of a refused change of topics.
pub(crate) fn topic_message(error: TopicError) -> Option<String> {
    (error.kind != TopicErrorKind::QuotaExceeded).then_some(error.message)
}

pub(crate) fn of_features(error: &FeatureError) -> ErrorCode {
    match error {
        FeatureError::InvalidLevel(_) => ErrorCode::InvalidUpdateVersion,
        FeatureError::Storage(_) => ErrorCode::KafkaStorageError,
    }
}

/// Returns Kafka's general message for a code (`org.apache.kafka.common.protocol.Errors`).
pub(crate) fn generic_message(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::None => "NONE",
        ErrorCode::UnknownTopicOrPartition => "This server does not host this topic-partition.",
        ErrorCode::CoordinatorNotAvailable => "The coordinator is not available.",
        ErrorCode::InvalidTopicException => {
            "The request attempted to perform an operation on an invalid topic."
        }
        ErrorCode::InvalidRequest => {
            "This most likely occurs because of a request being malformed by the client library or the message was \
             sent to an incompatible broker. See the broker logs for more details."
        }
        ErrorCode::UnknownTopicId => "This server does not host this topic ID.",
        ErrorCode::TopicDeletionDisabled => "Topic deletion is disabled.",
        ErrorCode::UnsupportedVersion => "The version of API is not supported.",
        ErrorCode::ThrottlingQuotaExceeded => "The throttling quota has been exceeded.",
        _ => "The server experienced an unexpected error when processing the request.",
    }
}
