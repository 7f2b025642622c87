//! What `dev` and `serve` share: arguments over properties, a checked configuration,
//! a broker that runs until a signal.

use std::path::PathBuf;
use std::sync::Arc;

use millrace_core::base::config::{
    BrokerConfig, ConfigWarning, LoadedConfig, Properties, UnknownKeys, default_memory_bytes, default_shards,
    listen_on,
};
use millrace_server::{Broker, BrokerSettings, OnReady, machine_name};
use tracing::{info, warn};

use crate::cli::{DurabilityArgument, LogFormatArgument, ServingArguments};
use crate::exit::Failure;
use crate::log_filter::log_filter;
use crate::loggers::LOGGERS;
use crate::service::State;
use crate::{log_output, machine, service, signals};

/// Runs a broker until it is told to stop.
pub(crate) fn run(
    mut properties: Properties,
    arguments: &ServingArguments,
    on_ready: Option<OnReady>,
) -> Result<(), Failure> {
    apply(arguments, &mut properties);
    let unknown = if arguments.strict { UnknownKeys::Refuse } else { UnknownKeys::Warn };
    let loaded = LoadedConfig::load(&properties, unknown).map_err(Failure::Configuration)?;
    let filter = log_filter(arguments.log_level.as_deref(), loaded.broker.log_level(), LOGGERS)
        .map_err(|error| Failure::Configuration(vec![error]))?;
    // Signals are blocked before any thread is started: threads inherit that.
    let signals = signals::block().map_err(|error| Failure::Signals(error.to_string()))?;
    let (lost, loggers) = log_output::start(loaded.broker.log_format(), filter)
        .map_err(|error| Failure::Log(error.to_string()))?;
    log_warnings(&loaded.warnings);
    let settings = settings(loaded.broker);
    info!(
        data_dir = %settings.data_dir.display(),
        shards = settings.shards,
        memory_mib = settings.memory_bytes >> 20,
        durability = %settings.config.durability(),
        "starting"
    );
    let broker = Broker::new(
        settings,
        Box::new(move |listeners, admin| {
            for listener in listeners {
                info!(listener = listener.name, address = %listener.address, "listening");
            }
            if let Some(address) = admin {
                info!(%address, "metrics and health are served");
            }
            service::notify(State::Ready);
            if let Some(on_ready) = &on_ready {
                on_ready(listeners, admin);
            }
        }),
    )?;
    broker.count_lost_log_lines(lost);
    if let Some(loggers) = loggers {
        broker.hand_over_loggers(loggers);
    }
    signals.stop_on_arrival(broker.stopper()).map_err(|error| Failure::Signals(error.to_string()))?;
    broker.run()?;
    info!("stopped");
    Ok(())
}

/// Flags become the keys they stand for, so that the broker describes itself as it runs.
fn apply(arguments: &ServingArguments, properties: &mut Properties) {
    for (key, value) in &arguments.settings {
        properties.set(key, value);
    }
    if let Some(directory) = &arguments.data_dir {
        properties.set("log.dirs", directory);
    }
    if let Some((host, port)) = &arguments.listen {
        listen_on(properties, host, *port);
    }
    if let Some(address) = &arguments.admin_listen {
        properties.set("millrace.admin.listener", address);
    }
    if let Some(format) = arguments.log_format {
        let name = match format {
            LogFormatArgument::Text => "text",
            LogFormatArgument::Json => "json",
        };
        properties.set("millrace.log.format", name);
    }
    if let Some(level) = &arguments.log_level {
        properties.set("millrace.log.level", level);
    }
    if let Some(shards) = arguments.shards {
        properties.set("millrace.shards", shards.to_string());
    }
    if let Some(memory) = &arguments.memory {
        properties.set("millrace.memory", memory);
    }
    if let Some(durability) = arguments.durability {
        let name = match durability {
            DurabilityArgument::Power => "power",
            DurabilityArgument::Process => "process",
        };
        properties.set("millrace.durability", name);
    }
}

fn settings(config: BrokerConfig) -> BrokerSettings {
    BrokerSettings {
        data_dir: PathBuf::from(config.data_dir()),
        shards: config.shards().unwrap_or_else(|| default_shards(machine::processors())),
        memory_bytes: config.memory_bytes().unwrap_or_else(|| default_memory_bytes(machine::memory_bytes())),
        host_name: machine_name(),
        config: Arc::new(config),
    }
}

/// Keys without effect share a line: a file written for Kafka has many.
fn log_warnings(warnings: &[ConfigWarning]) {
    let mut without_effect = Vec::new();
    for warning in warnings {
        match warning {
            ConfigWarning::WithoutEffect { key } => without_effect.push(key.as_str()),
            ConfigWarning::InPart { .. } => info!("{warning}"),
            _ => warn!("{warning}"),
        }
    }
    if !without_effect.is_empty() {
        warn!("accepted and without effect here: {}", without_effect.join(", "));
    }
}
