//! `millrace profile`: clusters by name.

mod arguments;
mod run;

pub(crate) use arguments::ProfileArguments;
pub(crate) use run::run;
