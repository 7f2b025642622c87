//! What tells the types of a crate apart.

use crate::tidy::layers::ModulePath;

/// A type by the module that declares it and its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::tidy) struct TypeKey {
    pub(in crate::tidy) module: ModulePath,
    pub(in crate::tidy) name: String,
}

/// `engine/shard:Core`.
pub(super) fn place(source: &str, name: &str) -> String {
    format!("{}:{name}", crate_folder(source))
}

/// The folder of the crate whose sources are in `source`.
pub(super) fn crate_folder(source: &str) -> &str {
    source.trim_end_matches('/').trim_end_matches("src").trim_end_matches('/')
}
