//! `millrace config`: settings of topics, brokers, loggers, groups and client metrics of a running cluster.

mod arguments;
mod change;
mod get;
mod run;

pub(crate) use arguments::ConfigArguments;
pub(crate) use run::run;
