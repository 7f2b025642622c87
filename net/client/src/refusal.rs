//! What a broker says of one thing that it did not do, where others of the same request were done.

use std::fmt::{self, Display, Formatter};

use millrace_wire::ErrorCode;

/// An error code and, where the broker has one, its reason in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub code: i16,
    pub reason: Option<String>,
}

impl Refusal {
    pub fn of(error: ErrorCode, reason: impl Into<String>) -> Refusal {
        Refusal { code: error.code(), reason: Some(reason.into()) }
    }

    /// An answer's error code, and the words that come with it.
    pub(crate) fn check(code: i16, reason: Option<&str>) -> Result<(), Refusal> {
        let reason = reason.filter(|reason| !reason.is_empty()).map(str::to_owned);
        if code == ErrorCode::None.code() { Ok(()) } else { Err(Refusal { code, reason }) }
    }

    /// Said by a broker that led a partition, or that is about to; where it is led now is to be asked again.
    pub(crate) fn has_moved(&self) -> bool {
        const MOVED: [ErrorCode; 6] = [
            ErrorCode::LeaderNotAvailable,
            ErrorCode::NotLeaderOrFollower,
            ErrorCode::ReplicaNotAvailable,
            ErrorCode::FencedLeaderEpoch,
            ErrorCode::UnknownLeaderEpoch,
            ErrorCode::OffsetNotAvailable,
        ];
        MOVED.iter().any(|error| self.is(*error))
    }

    /// Whether the partition may be served later, or elsewhere: it has moved, nobody leads it now,
    /// or it is not there.
    pub fn may_pass(&self) -> bool {
        const PASSING: [ErrorCode; 3] =
            [ErrorCode::UnknownTopicOrPartition, ErrorCode::KafkaStorageError, ErrorCode::RequestTimedOut];
        self.has_moved() || PASSING.iter().any(|error| self.is(*error))
    }

    pub fn is(&self, error: ErrorCode) -> bool {
        self.code == error.code()
    }
}

impl Display for Refusal {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match (&self.reason, ErrorCode::from_i16(self.code)) {
            (Some(reason), Some(error)) => write!(out, "{} ({})", reason.trim_end_matches('.'), error.name()),
            (Some(reason), None) => write!(out, "{reason} (error {})", self.code),
            (None, Some(error)) => out.write_str(error.name()),
            (None, None) => write!(out, "error {}", self.code),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_with_reason_and_name() {
        for (code, reason, expected) in [
            (36, Some("Topic 'a' already exists."), "Topic 'a' already exists (TOPIC_ALREADY_EXISTS)"),
            (36, Some(""), "TOPIC_ALREADY_EXISTS"),
            (36, None, "TOPIC_ALREADY_EXISTS"),
            (9999, Some("why"), "why (error 9999)"),
            (9999, None, "error 9999"),
        ] {
            let refusal = Refusal::check(code, reason).expect_err("a code that is not 0");
            assert_eq!(refusal.to_string(), expected);
        }
        assert_eq!(Refusal::check(0, Some("fine")), Ok(()));
    }
}
