//! Members that go on with the classic protocol in a consumer group.

pub(super) mod join;
pub(super) mod session;
