//! What tells the types of a crate apart.

use crate::tidy::layers::ModulePath;

/// A type by the module that declares it and its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::tidy) struct TypeKey {
    pub(in crate::tidy) module: ModulePath,
    pub(in crate::tidy) name: String,
}
