//! The life of a broker on one shard: listen, recover, serve, stop.

use std::rc::Rc;
use std::time::Duration;

use millrace_rt::{Either, Seat, select};
use tracing::{error, info};

use crate::conn::parcel::Parcel;
use crate::host::Host;
use crate::node::Node;
use crate::serve::{listen, reader};
use crate::start_error::StartError;

/// How long a stop waits for the connections of a shard to leave, and for the other shards.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// Runs one shard of a broker until [`Node::stop`]; every shard of the node must run. When one fails to start all
/// end, and [`Node::failure`] says why.
pub async fn serve_shard(node: Node, seat: Seat) -> Result<(), StartError> {
    let result = run(&node, &seat).await;
    if let Err(error) = &result {
        node.fail(error);
    }
    result
}

async fn run(node: &Node, seat: &Seat) -> Result<(), StartError> {
    // Addresses first: a port in use is found before anything on disk is touched.
    let mut listeners = Vec::new();
    if seat.shard == 0 {
        let (opened, bound) = listen::open(node.wanted_listeners()).await?.into_iter().unzip();
        listeners = opened;
        node.set_listening(bound);
    } else if let Either::Right(()) = select(node.listening_gate().wait(), node.stop_gate().wait()).await {
        return Ok(());
    }
    let shard = match select(node.engine().open(*seat), node.stop_gate().wait()).await {
        Either::Left(opened) => opened?,
        Either::Right(()) => return Ok(()),
    };
    let host = Host::new(node.clone(), shard);
    millrace_rt::spawn(host.clone().keep_up());
    millrace_rt::spawn(take_arrivals(host.clone()));
    millrace_rt::spawn(host.clone().answer_questions());
    node.shard_opened();
    if let Either::Left(()) = select(node.ready().wait(), node.stop_gate().wait()).await {
        if seat.shard == 0 {
            // Those that were set while an earlier process ran.
            let image = host.shard.image();
            node.per_address().learn_names(&image.config_layers(node.config())).await;
            host.learn_address_rates().await;
        }
        for (number, listener) in listeners.into_iter().enumerate() {
            millrace_rt::spawn(listen::accept(host.clone(), listener, number));
        }
        node.stop_gate().wait().await;
    }
    close(node, &host).await;
    Ok(())
}

/// Serves every connection that is dealt or moves to this shard. Never returns.
async fn take_arrivals(host: Rc<Host>) {
    loop {
        match host.shard.next_arrival().await.downcast::<Parcel>() {
            Ok(parcel) => drop(millrace_rt::spawn(reader::serve(host.clone(), *parcel))),
            Err(_) => error!("a parcel arrived that is no connection"),
        }
    }
}

/// Every shard ends its connections before any shard closes its partitions, for connections use those of all.
async fn close(node: &Node, host: &Host) {
    host.shard.leave_groups();
    host.close_connections(STOP_PATIENCE).await;
    node.shard_quiet();
    millrace_rt::timeout(STOP_PATIENCE, node.quiet_gate().wait()).await;
    host.shard.close().await;
    node.desk().leave(host.shard.index());
    info!(shard = host.shard.index().0, "a shard has stopped cleanly");
}
