//! The addresses of the cluster's brokers for one listener.

use millrace_core::base::BrokerId;
use millrace_core::meta::{BrokerRegistration, MetadataImage};

use crate::shard_server::ShardServer;

/// The address of one broker for the clients of a listener.
pub(crate) struct Reached<'a> {
    pub(crate) id: BrokerId,
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    pub(crate) rack: Option<&'a str>,
}

/// Returns the brokers with an endpoint of the name of `listener`. This broker's own port is the real one,
/// since a listener may ask for any port.
pub(crate) fn reached<'a>(
    server: &'a ShardServer,
    image: &'a MetadataImage,
    listener: usize,
) -> impl Iterator<Item = Reached<'a>> {
    let config = server.broker.config();
    let own = config.node_id();
    let name = config.listeners().get(listener).map_or("", |listener| listener.name.as_str());
    image.brokers().filter_map(move |broker| {
        let (id, rack) = (broker.id, broker.rack.as_deref());
        let (host, port) =
            if id == own { server.broker.advertised(listener) } else { endpoint(broker, name)? };
        Some(Reached { id, host, port, rack })
    })
}

fn endpoint<'a>(broker: &'a BrokerRegistration, name: &str) -> Option<(&'a str, u16)> {
    let endpoint = broker.endpoints.iter().find(|endpoint| endpoint.name == name)?;
    Some((&endpoint.host, endpoint.port))
}
