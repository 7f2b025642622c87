//! The life of a broker on one shard: listen, recover, serve, stop.

use std::rc::Rc;
use std::time::Duration;

use millrace_rt::{Either, Seat, select};
use tracing::{error, info};

use crate::broker::context::BrokerContext;
use crate::broker::start_error::StartError;
use crate::conn::moving_connection::MovingConnection;
use crate::serve::{listen, reader};
use crate::shard_server::ShardServer;

/// How long a stop waits for a shard's connections to leave, and for the other shards.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// Runs one shard of a broker until [`BrokerContext::stop`]; every shard of the broker must run. If one fails
/// to start, all end, and [`BrokerContext::failure`] says why.
pub async fn serve_shard(broker: BrokerContext, seat: Seat) -> Result<(), StartError> {
    let result = run(&broker, &seat).await;
    if let Err(error) = &result {
        broker.fail(error);
    }
    result
}

async fn run(broker: &BrokerContext, seat: &Seat) -> Result<(), StartError> {
    // Addresses first: a port in use is found before anything on disk is touched.
    let mut listeners = Vec::new();
    if seat.shard == 0 {
        let (opened, bound) = listen::open(broker.wanted_listeners()).await?.into_iter().unzip();
        listeners = opened;
        broker.set_listening(bound);
    } else if let Either::Right(()) = select(broker.listening_gate().wait(), broker.stop_gate().wait()).await
    {
        return Ok(());
    }
    let shard = match select(broker.engine().open(*seat), broker.stop_gate().wait()).await {
        Either::Left(opened) => opened?,
        Either::Right(()) => return Ok(()),
    };
    let server = ShardServer::new(broker.clone(), shard);
    millrace_rt::spawn(server.clone().keep_up());
    millrace_rt::spawn(take_arrivals(server.clone()));
    millrace_rt::spawn(server.clone().answer_probes());
    broker.shard_opened();
    if let Either::Left(()) = select(broker.ready().wait(), broker.stop_gate().wait()).await {
        if seat.shard == 0 {
            // The rates that were set while an earlier process ran.
            let image = server.shard.image();
            broker.address_counts().learn_names(&image.config_layers(broker.config())).await;
            server.learn_address_rates().await;
        }
        for (number, listener) in listeners.into_iter().enumerate() {
            millrace_rt::spawn(listen::accept(server.clone(), listener, number));
        }
        broker.stop_gate().wait().await;
    }
    close(broker, &server).await;
    Ok(())
}

/// Serves every connection that is given or moves to this shard. Never returns.
async fn take_arrivals(server: Rc<ShardServer>) {
    loop {
        match server.shard.next_arrival().await.downcast::<MovingConnection>() {
            Ok(moving) => drop(millrace_rt::spawn(reader::serve(server.clone(), *moving))),
            Err(_) => error!("something other than a connection arrived"),
        }
    }
}

/// Every shard ends its connections before any shard closes its partitions,
/// because connections use all shards.
async fn close(broker: &BrokerContext, server: &ShardServer) {
    server.shard.leave_groups();
    server.close_connections(STOP_PATIENCE).await;
    broker.shard_quiet();
    millrace_rt::timeout(STOP_PATIENCE, broker.quiet_gate().wait()).await;
    server.shard.close().await;
    broker.probe().leave(server.shard.index());
    info!(shard = server.shard.index().0, "a shard has stopped cleanly");
}
