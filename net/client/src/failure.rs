//! Why a broker could not be asked, or did not answer as it should.

use std::io;

use millrace_wire::{DecodeError, EncodeError, ErrorCode};

#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("{what}: {error}")]
    Io { what: String, error: io::Error },
    #[error("the broker's answer cannot be read: {0}")]
    Decode(#[from] DecodeError),
    #[error("a request cannot be written: {0}")]
    Encode(#[from] EncodeError),
    #[error("the broker answered {what} with {}", error_name(*.code))]
    Answer { what: String, code: i16 },
    /// The broker did something that no broker should.
    #[error("{0}")]
    Broker(String),
    #[error("{0}")]
    Usage(String),
    #[error("{whom}: {failure}")]
    Of { whom: String, failure: Box<Failure> },
}

impl Failure {
    /// Names what was tried when the operating system refused.
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Failure {
        let what = what.into();
        move |error| Failure::Io { what, error }
    }

    /// Names the broker that failed, where several are compared.
    pub fn of(whom: &str) -> impl FnOnce(Failure) -> Failure {
        let whom = whom.to_owned();
        move |failure| Failure::Of { whom, failure: Box::new(failure) }
    }

    /// The broker's answer lacks what was asked for.
    pub(crate) fn silent() -> Failure {
        Failure::Broker("the broker answered, and not of what it was asked for".to_owned())
    }

    /// An answer's error code as a result.
    pub fn check(what: &str, code: i16) -> Result<(), Failure> {
        match code {
            0 => Ok(()),
            code => Err(Failure::Answer { what: what.to_owned(), code }),
        }
    }
}

fn error_name(code: i16) -> String {
    ErrorCode::from_i16(code).map_or(format!("error {code}"), |error| error.name().to_owned())
}
