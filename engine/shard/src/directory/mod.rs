//! The data directory: where what lies, what the manifest says, and what vouches for what.

pub(crate) mod file_systems;
pub(crate) mod layout;
pub(crate) mod manifest;
pub(crate) mod vouching;
