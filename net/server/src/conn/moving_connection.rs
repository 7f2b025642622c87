//! A connection on its way between shards.

use millrace_rt::DetachedStream;

use crate::conn::connection::Identity;
use crate::session::FetchSession;

/// Everything a connection is while no shard serves it.
pub(crate) struct MovingConnection {
    pub(crate) stream: DetachedStream,
    /// Which of the broker's listeners accepted it.
    pub(crate) listener: usize,
    /// The beginning of a request that was received already.
    pub(crate) leftover: Vec<u8>,
    pub(crate) sessions: Vec<FetchSession>,
    pub(crate) identity: Identity,
}
