//! `millrace cluster`: the cluster as a whole.

mod arguments;
mod health;
mod run;
mod view;

pub(crate) use arguments::ClusterCommandArguments;
pub(crate) use run::run;
