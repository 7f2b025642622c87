//! `millrace topic`: topics of a running cluster, over Kafka's protocol.

mod alter;
mod arguments;
mod create;
mod delete;
mod describe;
mod list;
mod run;
mod trim;

pub(crate) use arguments::TopicArguments;
pub(crate) use run::run;
