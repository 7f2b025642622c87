//! `millrace quota`: what clients of a running cluster may use.

mod alter;
mod arguments;
mod list;
mod run;

pub(crate) use arguments::QuotaArguments;
pub(crate) use run::run;
