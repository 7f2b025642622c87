//! A broker inside the process of a test.

use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use millrace_core::base::config::{LoadedConfig, Properties, UnknownKeys, listen_on};
use millrace_server::{BoundListener, Broker, BrokerSettings, Stopper};

use crate::directory::Directory;

const MEMORY_BYTES: u64 = 256 << 20;
const READY_WITHIN: Duration = Duration::from_secs(30);

/// A broker on threads of its own; stopped with the test.
pub(crate) struct Embedded {
    stopper: Stopper,
    running: Option<JoinHandle<()>>,
    dir: Directory,
    pub(crate) address: String,
}

impl Embedded {
    pub(crate) fn start(name: &str, keys: &[(&str, &str)]) -> Embedded {
        let dir = Directory::new(name);
        let data_dir = dir.0.join("data");
        let mut properties = Properties::default();
        listen_on(&mut properties, "127.0.0.1", 0);
        properties.set("log.dirs", data_dir.to_str().unwrap());
        for (key, value) in keys {
            properties.set(key, *value);
        }
        let loaded = LoadedConfig::load(&properties, UnknownKeys::Refuse).unwrap();
        let settings = BrokerSettings {
            shards: 1,
            config: Arc::new(loaded.broker),
            data_dir,
            memory_bytes: MEMORY_BYTES,
            host_name: "localhost".to_owned(),
        };
        let (ready, listening) = mpsc::channel();
        let on_ready = move |listeners: &[BoundListener], _| ready.send(listeners[0].address).unwrap();
        let broker = Broker::new(settings, Box::new(on_ready)).unwrap();
        let stopper = broker.stopper();
        let running = Some(std::thread::spawn(move || broker.run().unwrap()));
        let address = listening.recv_timeout(READY_WITHIN).unwrap().to_string();
        Embedded { stopper, running, dir, address }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.0.join(name)
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.stopper.stop();
        let _ = self.running.take().map(JoinHandle::join);
    }
}
