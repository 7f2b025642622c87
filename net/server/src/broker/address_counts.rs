//! How many connections each address has, and how many it may have (`max.connections.per.ip`).

use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Mutex, MutexGuard, PoisonError};

use millrace_core::base::config::{AddressLimit, ConfigLayers};
use rustc_hash::FxHashMap;
use tracing::warn;

/// Shared by all shards: one accepts a connection, another may close it.
pub(crate) struct AddressCounts {
    counts: Mutex<FxHashMap<IpAddr, u32>>,
    /// Addresses of the hosts that the configuration names.
    hosts: Mutex<FxHashMap<String, Vec<IpAddr>>>,
}

impl AddressCounts {
    /// Resolves the names of hosts, so it may block: called before any shard runs.
    /// A name without an address limits no client.
    pub(crate) fn new(overrides: &[AddressLimit]) -> AddressCounts {
        let resolve = |host: &str| -> Vec<IpAddr> {
            let found = (host, 0).to_socket_addrs().into_iter().flatten();
            found.map(|address| address.ip().to_canonical()).collect()
        };
        let hosts = names(overrides).map(|host| (host.to_owned(), resolve(host))).collect();
        AddressCounts { counts: Mutex::default(), hosts: Mutex::new(hosts) }
    }

    /// Looks up hosts that are newly named, and forgets hosts that are no longer named. So a name is looked
    /// up again when it is set again.
    pub(crate) async fn learn_names(&self, config: &ConfigLayers<'_>) {
        let overrides = config.max_connections_per_ip_overrides();
        self.hosts().retain(|host, _| names(&overrides).any(|named| named == host));
        for host in names(&overrides) {
            if self.hosts().contains_key(host) {
                continue;
            }
            let found = match millrace_rt::addresses_of(host).await {
                Ok(found) => found.into_iter().map(|address| address.to_canonical()).collect(),
                Err(error) => {
                    warn!(host, %error, "max.connections.per.ip.overrides names a host without an address");
                    Vec::new()
                }
            };
            self.hosts().insert(host.to_owned(), found);
        }
    }

    /// Counts one more connection of an address. Returns false if the address may have no more.
    pub(crate) fn enter(&self, address: IpAddr, config: &ConfigLayers<'_>) -> bool {
        let max = self.limit(address, config);
        let mut counts = self.counts();
        let count = counts.entry(address.to_canonical()).or_default();
        if *count >= max {
            if *count == 0 {
                counts.remove(&address.to_canonical());
            }
            return false;
        }
        *count += 1;
        true
    }

    pub(crate) fn leave(&self, address: IpAddr) {
        let mut counts = self.counts();
        let count = counts.get_mut(&address.to_canonical());
        assert!(count.as_ref().is_some_and(|count| **count > 0), "a connection closes once");
        if let Some(count) = count {
            *count -= 1;
            if *count == 0 {
                counts.remove(&address.to_canonical());
            }
        }
    }

    /// Returns the limit of the last override that names the address, or else the limit for all addresses.
    fn limit(&self, address: IpAddr, config: &ConfigLayers<'_>) -> u32 {
        let address = address.to_canonical();
        let names = |limit: &AddressLimit| match literal(&limit.host) {
            Some(named) => named == address,
            None => self.hosts().get(&limit.host).is_some_and(|known| known.contains(&address)),
        };
        let overrides = config.max_connections_per_ip_overrides();
        let own = overrides.iter().rfind(|limit| names(limit)).map(|limit| limit.connections);
        u32::try_from(own.unwrap_or_else(|| config.max_connections_per_ip())).unwrap_or(0)
    }

    fn counts(&self) -> MutexGuard<'_, FxHashMap<IpAddr, u32>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hosts(&self) -> MutexGuard<'_, FxHashMap<String, Vec<IpAddr>>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the hosts that are written as names, not as addresses.
fn names(overrides: &[AddressLimit]) -> impl Iterator<Item = &str> {
    overrides.iter().map(|limit| limit.host.as_str()).filter(|host| literal(host).is_none())
}

/// Parses an address, with brackets or without.
fn literal(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use millrace_core::base::config::{BrokerConfig, ConfigMap, address_limits};

    use super::*;

    #[test]
    fn addresses_are_counted_against_their_own_limit() {
        let broker = BrokerConfig::default();
        let overrides = "127.0.0.1:7,127.0.0.2:2,[::1]:0,localhost:3";
        let set = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let settings = ConfigMap::from([
            set("max.connections.per.ip", "1"),
            set("max.connections.per.ip.overrides", overrides),
        ]);
        let nothing = ConfigMap::new();
        let layers = ConfigLayers { broker: &broker, dynamic_broker: &settings, dynamic_default: &nothing };
        let counts = AddressCounts::new(&address_limits(overrides).unwrap());
        for (address, max) in
            [("10.0.0.1", 1), ("::ffff:127.0.0.2", 2), ("::1", 0), ("127.0.0.1", 3), ("10.0.0.2", 1)]
        {
            let address: IpAddr = address.parse().unwrap();
            for _ in 0..2 {
                for _ in 0..max {
                    assert!(counts.enter(address, &layers), "{address}");
                }
                assert!(!counts.enter(address, &layers), "{address}");
                (0..max).for_each(|_| counts.leave(address));
            }
        }
        assert!(counts.counts().is_empty(), "who has no connection takes no memory");
    }
}
