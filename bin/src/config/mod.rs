//! `millrace config`: settings of topics, brokers, loggers and groups of a running cluster.

mod arguments;
mod change;
mod get;
mod run;

pub(crate) use arguments::ConfigArguments;
pub(crate) use run::run;
