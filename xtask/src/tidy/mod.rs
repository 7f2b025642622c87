//! The rules of the house that clippy cannot check: each finding names a place and what to do there.

#[cfg(test)]
mod cases;
mod docs;
mod finding;
mod layers;
mod manifests;
mod mask;
mod purity;
mod rooms;
mod run;
mod rust;
mod text;
mod tokens;
mod tree;
mod types;

pub(crate) use rooms::rooms;
pub(crate) use run::run;
