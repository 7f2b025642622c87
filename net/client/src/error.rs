//! Why a broker could not be asked, did not answer as it should, or refused what it was asked for.

use std::io;

use millrace_wire::{DecodeError, EncodeError};

use crate::refusal::Refusal;

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("{what}: {error}")]
    Io { what: String, error: io::Error },
    #[error("the broker's answer cannot be read: {0}")]
    Decode(#[from] DecodeError),
    #[error("a request cannot be written: {0}")]
    Encode(#[from] EncodeError),
    #[error("the broker answered {what} with {refusal}")]
    Refused { what: String, refusal: Refusal },
    /// The broker did something that no broker should.
    #[error("{0}")]
    Broker(String),
    #[error("{0}")]
    Usage(String),
    #[error("{whom}: {error}")]
    Of { whom: String, error: Box<ClientError> },
}

impl ClientError {
    /// Names what was tried when the operating system refused.
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> ClientError {
        let what = what.into();
        move |error| ClientError::Io { what, error }
    }

    /// Names the broker that failed, where several are compared.
    pub fn of(whom: &str) -> impl FnOnce(ClientError) -> ClientError {
        let whom = whom.to_owned();
        move |error| ClientError::Of { whom, error: Box::new(error) }
    }

    /// Names what the broker was asked for when it refused.
    pub(crate) fn refused(what: impl Into<String>) -> impl FnOnce(Refusal) -> ClientError {
        let what = what.into();
        move |refusal| ClientError::Refused { what, refusal }
    }

    /// What the broker said, where it refused; every other error stays one.
    pub fn into_refusal(self) -> Result<Refusal, ClientError> {
        match self {
            ClientError::Refused { refusal, .. } => Ok(refusal),
            other => Err(other),
        }
    }

    /// The broker's answer lacks what was asked for.
    pub(crate) fn silent() -> ClientError {
        ClientError::Broker("the broker answered, and not of what it was asked for".to_owned())
    }

    /// An answer's error code as a result.
    pub fn check(what: &str, code: i16) -> Result<(), ClientError> {
        Refusal::check(code, None).map_err(ClientError::refused(what))
    }
}
