//! Settings of topics, brokers, groups and loggers.

pub(crate) mod alter_configs;
pub(crate) mod alterations;
pub(crate) mod config_kind;
pub(crate) mod describe_configs;
pub(crate) mod incremental_alter_configs;
pub(crate) mod list_config_resources;
