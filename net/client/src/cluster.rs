//! A cluster as a tool sees it: a connection to each broker that it needs.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::{self, Display, Formatter};
use std::net::SocketAddr;

use crate::address::resolve;
use crate::failure::Failure;
use crate::metadata;
use crate::peer::Peer;

/// A partition by its topic's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub topic: String,
    pub partition: i32,
}

impl Display for Place {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{}", self.topic, self.partition)
    }
}

/// Reached through one of its brokers; the others are connected to when they are asked.
pub struct Cluster {
    first: Peer,
    /// `HOST:PORT` by id, as the brokers say it.
    addresses: BTreeMap<i32, String>,
    others: BTreeMap<i32, Peer>,
}

impl Cluster {
    pub fn open(bootstrap: &str) -> Result<Cluster, Failure> {
        let address: SocketAddr = resolve(bootstrap)?;
        let mut first = Peer::open(address)?;
        let addresses = metadata::brokers(&mut first)?;
        Ok(Cluster { first, addresses, others: BTreeMap::new() })
    }

    pub(crate) fn any(&mut self) -> &mut Peer {
        &mut self.first
    }

    /// Ids of all brokers.
    pub(crate) fn brokers(&self) -> Vec<i32> {
        self.addresses.keys().copied().collect()
    }

    /// The broker of this id. The only one of a cluster is reached where it was reached already, by whatever name it
    /// knows itself.
    pub(crate) fn broker(&mut self, id: i32) -> Result<&mut Peer, Failure> {
        if self.addresses.len() <= 1 {
            return Ok(&mut self.first);
        }
        let unknown = || Failure::Broker(format!("nobody knows the address of broker {id}"));
        let address = self.addresses.get(&id).ok_or_else(unknown)?;
        match self.others.entry(id) {
            Entry::Occupied(there) => Ok(there.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(Peer::open(resolve(address)?)?)),
        }
    }
}
