//! `millrace group`: consumer groups of a running broker, over Kafka's protocol.

mod arguments;
mod delete;
mod describe;
mod list;
mod run;
mod seek;

pub(crate) use arguments::GroupArguments;
pub(crate) use run::run;
