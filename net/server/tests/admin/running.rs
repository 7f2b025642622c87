//! A broker on threads of its own, with a directory that goes with it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use millrace_core::base::config::{LoadedConfig, Properties, UnknownKeys};
use millrace_server::{Broker, BrokerSettings, StartError, Stopper};

use crate::http::try_get;

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    stopper: Stopper,
    thread: JoinHandle<Result<(), StartError>>,
    _directory: Directory,
}

struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Directory {
        // Not under /tmp: that may be a tmpfs, which has no direct I/O.
        Directory(Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id())))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn settings(directory: &Directory, shards: u16, keys: &[(&str, &str)]) -> BrokerSettings {
    let mut properties = Properties::default();
    properties.set("listeners", "PLAINTEXT://127.0.0.1:0");
    properties.set("millrace.admin.listener", "127.0.0.1:0");
    properties.set("millrace.journal.bytes", "4MiB");
    // No tmpfs: the rings lie in the directory, too.
    properties.set("millrace.shm.dir", directory.0.to_str().unwrap());
    for (key, value) in keys {
        properties.set(key, *value);
    }
    let loaded = LoadedConfig::load(&properties, UnknownKeys::Refuse).unwrap();
    BrokerSettings {
        config: Arc::new(loaded.broker),
        data_dir: directory.0.clone(),
        shards,
        memory_bytes: 64 << 20,
        host_name: "localhost".to_owned(),
    }
}

impl Running {
    /// Starts a broker and waits until it serves.
    pub(crate) fn start(name: &str, shards: u16, keys: &[(&str, &str)]) -> Running {
        let directory = Directory::new(name);
        let (ready, opened) = mpsc::channel();
        let on_ready = move |listeners: &[millrace_server::BoundListener], admin: Option<SocketAddr>| {
            ready.send((listeners[0].address, admin.unwrap())).unwrap();
        };
        let broker = Broker::new(settings(&directory, shards, keys), Box::new(on_ready)).unwrap();
        let stopper = broker.stopper();
        let thread = std::thread::Builder::new().spawn(move || broker.run()).unwrap();
        let (address, admin) = opened.recv().expect("the broker starts");
        Running { address, admin, stopper, thread, _directory: directory }
    }

    /// The error of a broker that does not start.
    pub(crate) fn refused(name: &str, keys: &[(&str, &str)]) -> String {
        let directory = Directory::new(name);
        let broker = Broker::new(settings(&directory, 1, keys), Box::new(|_, _| {})).unwrap();
        let error = broker.run().expect_err("it does not start");
        assert!(!directory.0.exists(), "nothing was opened");
        error.to_string()
    }

    pub(crate) fn begin_stop(&self) {
        self.stopper.stop();
    }

    pub(crate) fn stop(self) {
        self.stopper.stop();
        self.thread.join().unwrap().unwrap();
        assert!(try_get(self.admin, "/live").is_none(), "the side thread ends with the broker");
    }
}
