//! What one case does, step by step.
use super::{Path, View};
use serde_json::Value;

/// Independent of every other case: it makes its own topics and opens its own connections.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// `name`, or `name@version` when the case is written once for several versions.
    pub(crate) name: String,
    /// What `$v` stands for.
    pub(crate) version: Option<i16>,
    pub(crate) steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// Connections are opened at their first use and named by the case.
    pub(crate) connection: String,
    pub(crate) action: Action,
    pub(crate) edits: Edits,
    /// Variables set from the answer before it is normalised.
    pub(crate) keeps: Vec<(String, Path)>,
    pub(crate) views: Vec<View>,
    /// The request is repeated until the answer has this value, for what a broker does in the background.
    pub(crate) until: Option<(Path, Value)>,
    /// The answer must be good, and is not recorded.
    pub(crate) quiet: bool,
    /// Milliseconds, from and to, within which the answer has to come.
    pub(crate) took: Option<(u64, u64)>,
}

#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// Creates a topic, waits for its leaders and keeps its id; fails the case if that fails.
    Topic {
        name: Value,
        options: Value,
        id: String,
    },
    /// Produces each batch in a request of its own; fails the case if that fails.
    Append {
        topic: Value,
        partition: Value,
        batches: Value,
    },
    /// Deletes a topic and waits until it is gone.
    Delete {
        name: Value,
    },
    /// Keeps a fresh producer id.
    Producer {
        name: String,
    },
    /// Keeps the bytes of a message that stands inside another, behind its version.
    Embedded {
        name: String,
        message: String,
        version: Value,
        fields: Value,
    },
    Request(Request),
    /// Bytes as they are, or behind a length when `framed`.
    Bytes {
        pieces: String,
        framed: bool,
        mode: Mode,
    },
    /// Takes the next answer of a connection.
    Receive,
    /// Nothing may arrive for this many milliseconds.
    Silence {
        ms: u64,
    },
    Pause {
        ms: u64,
    },
    Close,
}

#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) api: String,
    pub(crate) version: Value,
    pub(crate) fields: Value,
    pub(crate) mode: Mode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Send and take the answer.
    Exchange,
    /// Send; a later `receive` takes the answer.
    Send,
    /// Send; no answer is due.
    OneWay,
}

/// How the encoded request and the reading of its answer differ from the ordinary.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edits {
    pub(crate) cut: usize,
    pub(crate) extra: String,
    pub(crate) client_id: Option<Value>,
    /// API and version by which the answer is read.
    pub(crate) read_as: Option<(String, i16)>,
}
