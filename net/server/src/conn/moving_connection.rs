//! A connection on its way between shards.

use millrace_rt::DetachedStream;

use crate::conn::connection::Identity;
use crate::session::FetchSession;

/// All that belongs to a connection while no shard serves it.
pub(crate) struct MovingConnection {
    pub(crate) stream: DetachedStream,
    /// Which of the broker's listeners accepted it.
    pub(crate) listener: usize,
    /// The beginning of a request that has been received.
    pub(crate) leftover: Vec<u8>,
    pub(crate) sessions: Vec<FetchSession>,
    pub(crate) identity: Identity,
}
