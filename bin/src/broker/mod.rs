//! `millrace broker`: the brokers of a running cluster, and what they store.

mod arguments;
mod describe;
mod list;
mod run;

pub(crate) use arguments::BrokerArguments;
pub(crate) use run::run;
