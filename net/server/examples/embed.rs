//! A broker inside a program: `cargo run -p millrace-server --example embed -- DIRECTORY [KEY=VALUE]...`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use millrace_core::base::config::{LoadedConfig, Properties, UnknownKeys};
use millrace_server::{BoundListener, Broker, BrokerSettings, machine_name};

#[expect(clippy::print_stderr, reason = "an example tells where it serves")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let data_dir = PathBuf::from(arguments.next().unwrap_or_else(|| "millrace-data".to_owned()));
    let properties = Properties::parse(&arguments.collect::<Vec<_>>().join("\n"))?;
    let loaded =
        LoadedConfig::load(&properties, UnknownKeys::Refuse).map_err(|errors| format!("{errors:?}"))?;
    let settings = BrokerSettings {
        shards: loaded.broker.shards().unwrap_or(1),
        config: Arc::new(loaded.broker),
        data_dir,
        memory_bytes: 256 << 20,
        host_name: machine_name(),
    };
    let on_ready = |listeners: &[BoundListener], admin: Option<SocketAddr>| {
        eprintln!("serving {listeners:?}, metrics at {admin:?}");
    };
    Broker::new(settings, Box::new(on_ready))?.run()?;
    Ok(())
}
