//! What a broker is told before it starts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use millrace_core::base::config::BrokerConfig;
use millrace_core::meta::Endpoint;
use millrace_shard::EngineSettings;

/// What a broker needs to know before it starts.
#[derive(Debug, Clone)]
pub struct BrokerSettings {
    pub config: Arc<BrokerConfig>,
    /// Holds everything that survives a restart.
    pub data_dir: PathBuf,
    pub shards: u16,
    /// Bound of the process's memory.
    pub memory_bytes: u64,
    /// What clients are told where the advertised host is empty.
    pub host_name: String,
}

impl BrokerSettings {
    /// The directory on whose disk commits wait.
    pub(crate) fn journal_directory(&self) -> &Path {
        self.config.journal_dir().map_or(&self.data_dir, Path::new)
    }

    /// The data directory as clients are told: absolute.
    pub(super) fn log_dir(&self) -> String {
        let absolute = std::path::absolute(&self.data_dir).unwrap_or_else(|_| self.data_dir.clone());
        absolute.to_string_lossy().into_owned()
    }

    /// The part that the engine needs.
    pub(super) fn engine_settings(&self) -> EngineSettings {
        let config = &self.config;
        let endpoints = config.advertised_listeners().iter().map(|listener| Endpoint {
            name: listener.name.clone(),
            host: if listener.host.is_empty() { self.host_name.clone() } else { listener.host.clone() },
            port: listener.port,
            protocol: listener.protocol,
        });
        EngineSettings {
            data_dir: self.data_dir.clone(),
            journal_dir: config.journal_dir().map(PathBuf::from),
            shm_dir: PathBuf::from(config.shm_dir()),
            journal_bytes: config.journal_bytes(),
            memory_bytes: self.memory_bytes,
            broker: config.clone(),
            endpoints: endpoints.collect(),
            shards: self.shards,
        }
    }
}
