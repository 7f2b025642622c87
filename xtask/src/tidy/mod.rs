//! The rules of the house that clippy cannot check: each finding names a place and what to do there.

#[cfg(test)]
mod cases;
mod debts;
mod docs;
mod finding;
mod form;
mod layers;
mod manifests;
mod purity;
mod rooms;
mod run;
mod source;
mod types;
mod wrap;

pub(crate) use rooms::rooms;
pub(crate) use run::run;
pub(crate) use wrap::wrap;
