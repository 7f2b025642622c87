//! How many connections each address may make in a second (KIP-612).

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use millrace_core::base::config::BrokerConfig;
use millrace_core::meta::{ClientQuotas, QuotaKey};
use millrace_rt::Moment;
use rustc_hash::FxHashMap;
use tracing::warn;

use crate::quota::limits::pace;
use crate::quota::meters::Meters;

/// Shared by all shards: the first one accepts connections, and each may learn of changes.
#[derive(Default)]
pub(crate) struct AddressRates {
    known: Mutex<KnownRates>,
}

#[derive(Default)]
struct KnownRates {
    rates: FxHashMap<IpAddr, f64>,
    of_others: Option<f64>,
}

impl AddressRates {
    /// Takes over the rates of addresses and looks up the named hosts.
    /// A host without an address limits no client.
    pub(crate) async fn learn(&self, quotas: &ClientQuotas) {
        let mut rates = FxHashMap::default();
        for (host, rate) in quotas.hosts() {
            let found = addresses_of(host).await;
            if found.is_empty() {
                warn!(host, "a quota is for a host without an address");
            }
            rates.extend(found.into_iter().map(|address| (address, rate)));
        }
        *self.known() = KnownRates { rates, of_others: quotas.of_other_addresses() };
    }

    /// Counts a connection of an address. If the address is over its rate, returns the time after which the
    /// connection is to be closed, a window at most, as in Kafka. Such a connection is not counted.
    pub(crate) fn enter(
        &self,
        address: IpAddr,
        meters: &Meters,
        config: &BrokerConfig,
        now: Moment,
    ) -> Result<(), Duration> {
        let address = address.to_canonical();
        let rate = {
            let known = self.known();
            known.rates.get(&address).copied().or(known.of_others)
        };
        let Some(rate) = rate else { return Ok(()) };
        let meter = meters.of_address(address, pace(QuotaKey::ConnectionCreationRate, rate, config), now);
        meter.try_spend(1.0, now).map_err(|overdue| overdue.min(config.quota_window()))
    }

    fn known(&self) -> MutexGuard<'_, KnownRates> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the addresses of a host, which may be written as an address.
pub(crate) async fn addresses_of(host: &str) -> Vec<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return vec![address.to_canonical()];
    }
    let found = millrace_rt::addresses_of(host).await.unwrap_or_default();
    found.into_iter().map(|address| address.to_canonical()).collect()
}
