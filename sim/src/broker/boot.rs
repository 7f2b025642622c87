//! The whole broker on a simulated machine: how it is configured and started.

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use millrace_core::base::config::{BrokerConfig, LoadedConfig, Properties, UnknownKeys};
use millrace_rt::world::{NodeId, World};
use millrace_server::{BrokerContext, BrokerSettings, StartError, serve_shard};
use millrace_shard::Planted;

use crate::promises::DATA_DIR;

/// Where clients find the broker.
pub(crate) const BROKER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(crate) const PORT: u16 = 9092;
const MEMORY_BYTES: u64 = 64 << 20;

/// One run of the broker, from its start on.
pub(crate) struct Booted {
    pub(crate) context: BrokerContext,
    failed: Rc<RefCell<Option<StartError>>>,
}

impl Booted {
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.borrow().is_some()
    }

    /// Why a shard did not start.
    pub(crate) fn failure(&self) -> Option<String> {
        self.failed.borrow().as_ref().map(|error| format!("the broker did not start: {error}"))
    }
}

/// Boots the broker; it serves when [`BrokerContext::ready`] is open.
pub(crate) fn boot(
    world: &mut World,
    machine: NodeId,
    config: &Arc<BrokerConfig>,
    shards: u16,
    planted: Option<Planted>,
) -> Result<Rc<Booted>, String> {
    let settings = BrokerSettings {
        config: Arc::clone(config),
        data_dir: PathBuf::from(DATA_DIR),
        shards,
        memory_bytes: MEMORY_BYTES,
        host_name: BROKER.to_string(),
    };
    let context = match planted {
        None => BrokerContext::new(settings, None),
        Some(planted) => BrokerContext::with_planted(settings, planted),
    };
    let context = context.map_err(|error| error.to_string())?;
    let booted = Rc::new(Booted { context: context.clone(), failed: Rc::default() });
    let failed = Rc::clone(&booted.failed);
    world.start(machine, shards, move |seat| {
        let (context, failed) = (context.clone(), Rc::clone(&failed));
        async move {
            if let Err(error) = serve_shard(context, seat).await {
                failed.borrow_mut().get_or_insert(error);
            }
        }
    });
    Ok(booted)
}

/// The configuration of every simulated broker, and `more` lines of it.
pub(crate) fn config(more: &str) -> Arc<BrokerConfig> {
    let text = format!(
        "listeners=PLAINTEXT://0.0.0.0:{PORT}\nadvertised.listeners=PLAINTEXT://{BROKER}:{PORT}\n\
         millrace.journal.bytes=4194304\nauto.create.topics.enable=false\n{more}"
    );
    let loaded = Properties::parse(&text).map_err(|error| error.to_string()).and_then(|properties| {
        LoadedConfig::load(&properties, UnknownKeys::Refuse).map_err(|all| format!("{all:?}"))
    });
    match loaded {
        Ok(loaded) => Arc::new(loaded.broker),
        Err(error) => unreachable!("the simulated configuration is valid: {error}"),
    }
}
