//! A cluster as a tool sees it: a connection to each broker that it needs.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::net::ToSocketAddrs;

use crate::error::ClientError;
use crate::metadata::{self, Node, Wanted};
use crate::transport::Peer;

/// Reached through one of its brokers; the others are connected to when they are asked.
pub struct Cluster {
    /// Where the user says that it is reached.
    bootstrap: Vec<String>,
    first: Peer,
    nodes: BTreeMap<i32, Node>,
    controller: Option<i32>,
    others: BTreeMap<i32, Peer>,
    /// Of topics that were asked for: partitions that somebody leads, by topic.
    pub(crate) leaders: BTreeMap<String, BTreeMap<i32, i32>>,
}

impl Cluster {
    /// Through the first broker of `HOST:PORT,HOST:PORT` that answers.
    pub fn open(bootstrap: &str) -> Result<Cluster, ClientError> {
        let names = bootstrap.split(',').map(str::trim).filter(|name| !name.is_empty());
        let bootstrap: Vec<String> = names.map(str::to_owned).collect();
        Cluster::through(first_of(&bootstrap)?, bootstrap)
    }

    /// Through the first of these brokers that answers; the names stay those of the user.
    pub(crate) fn open_again(bootstrap: &[String], known: &[String]) -> Result<Cluster, ClientError> {
        Cluster::through(first_of(&[bootstrap, known].concat())?, bootstrap.to_vec())
    }

    /// Connects anew, through any broker that was known: what was known of leaders is forgotten.
    pub fn reconnect(&mut self) -> Result<(), ClientError> {
        *self = Cluster::open_again(&self.bootstrap, &self.known())?;
        Ok(())
    }

    fn through(mut first: Peer, bootstrap: Vec<String>) -> Result<Cluster, ClientError> {
        let seen = metadata::ask(&mut first, &Wanted::These(&BTreeSet::new()))?;
        let nodes = seen.nodes.into_iter().map(|node| (node.id, node)).collect();
        let controller = seen.controller;
        Ok(Cluster { bootstrap, first, nodes, controller, others: BTreeMap::new(), leaders: BTreeMap::new() })
    }

    /// The user's names of brokers.
    pub(crate) fn bootstrap(&self) -> &[String] {
        &self.bootstrap
    }

    /// Addresses of all brokers.
    pub(crate) fn known(&self) -> Vec<String> {
        self.nodes.values().map(Node::address).collect()
    }

    pub(crate) fn any(&mut self) -> &mut Peer {
        &mut self.first
    }

    /// Whoever is connected.
    pub(crate) fn peers(&mut self) -> impl Iterator<Item = &mut Peer> {
        std::iter::once(&mut self.first).chain(self.others.values_mut())
    }

    /// Ids of all brokers.
    pub fn brokers(&self) -> Vec<i32> {
        self.nodes.keys().copied().collect()
    }

    /// Whoever changes topics; with brokers of KRaft any of them, which pass it on.
    pub(crate) fn controller(&mut self) -> Result<&mut Peer, ClientError> {
        match self.controller.filter(|id| self.nodes.contains_key(id)) {
            Some(id) => self.broker(id),
            None => Ok(&mut self.first),
        }
    }

    /// The broker of this id. The only one of a cluster is reached where it was reached already,
    /// by whatever name it knows itself.
    pub(crate) fn broker(&mut self, id: i32) -> Result<&mut Peer, ClientError> {
        let unknown = || ClientError::Broker(format!("there is no broker {id}"));
        let node = self.nodes.get(&id).ok_or_else(unknown)?;
        if self.nodes.len() == 1 {
            return Ok(&mut self.first);
        }
        match self.others.entry(id) {
            Entry::Occupied(there) => Ok(there.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(connect(&node.address())?)),
        }
    }

    /// Takes over what a newer answer says of the brokers.
    pub(crate) fn learn(&mut self, nodes: Vec<Node>, controller: Option<i32>) {
        self.nodes = nodes.into_iter().map(|node| (node.id, node)).collect();
        self.controller = controller;
        self.others.retain(|id, _| self.nodes.contains_key(id));
    }
}

/// The first of these brokers that answers.
fn first_of(names: &[String]) -> Result<Peer, ClientError> {
    let mut last = ClientError::Usage("no broker is named".to_owned());
    for name in names {
        match connect(name) {
            Ok(first) => return Ok(first),
            Err(failure) => last = failure,
        }
    }
    Err(last)
}

/// A broker by `HOST:PORT`, at the first of its addresses where one answers.
fn connect(name: &str) -> Result<Peer, ClientError> {
    let addresses = name.to_socket_addrs().map_err(ClientError::io(format!("resolving {name}")))?;
    let mut last = ClientError::Usage(format!("{name} has no address"));
    for address in addresses {
        match Peer::open(address) {
            Ok(peer) => return Ok(peer),
            Err(failure) => last = failure,
        }
    }
    Err(last)
}
