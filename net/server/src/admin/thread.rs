//! The thread beside the shards: opened before anything on disk is touched, ended after the last shard.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::admin::routes::router;
use crate::broker::addresses;
use crate::broker::context::BrokerContext;
use crate::broker::start_error::StartError;

/// Serves metrics and health until it is ended.
pub(crate) struct SideThread {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl SideThread {
    /// Starts the thread, waits until its address is open, and tells the broker the address.
    pub(crate) fn start(broker: &BrokerContext, wanted: SocketAddr) -> Result<SideThread, StartError> {
        let failed = |error: io::Error| StartError::listen(addresses::ADMIN_LISTENER, wanted, &error);
        let (stop, stopped) = oneshot::channel();
        let (opened, open) = mpsc::channel();
        let served = broker.clone();
        let thread = std::thread::Builder::new()
            .name("millrace-admin".to_owned())
            .spawn(move || run(served, wanted, &opened, stopped))
            .map_err(failed)?;
        let bound = open.recv().unwrap_or_else(|_| Err(io::Error::other("the thread ended")));
        broker.set_admin_address(bound.map_err(failed)?);
        Ok(SideThread { stop, thread })
    }

    /// Ends the thread, whatever its connections do.
    pub(crate) fn stop(self) {
        // It may have ended by itself.
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}

fn run(
    broker: BrokerContext,
    address: SocketAddr,
    opened: &mpsc::Sender<io::Result<SocketAddr>>,
    stopped: oneshot::Receiver<()>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return drop(opened.send(Err(error))),
    };
    runtime.block_on(async move {
        let listener = match TcpListener::bind(address).await {
            Ok(listener) => listener,
            Err(error) => return drop(opened.send(Err(error))),
        };
        // The thread that started this one waits for this.
        let _ = opened.send(listener.local_addr());
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router(broker)).await {
                tracing::error!(%error, "metrics and health are served no more");
            }
        });
        let _ = stopped.await;
    });
}
