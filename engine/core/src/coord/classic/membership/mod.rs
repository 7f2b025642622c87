//! Members of a classic group: how they come, stay, are replaced and go.

pub(super) mod expiry;
pub(super) mod join;
pub(super) mod leave;
pub(super) mod replacement;
pub(super) mod session;
