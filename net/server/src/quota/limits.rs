//! The quotas of one client, and how its connection remembers them.

use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::Duration;

use millrace_core::base::config::BrokerConfig;
use millrace_core::base::pace::Pace;
use millrace_core::meta::{ClientQuotas, QuotaKey, QuotaScope};
use millrace_rt::Moment;

use crate::quota::meter::Meter;
use crate::quota::meters::Meters;

/// The user of every connection without authentication (`KafkaPrincipal.ANONYMOUS`).
const ANONYMOUS: &str = "ANONYMOUS";

/// A new client begins with this part of a window. Kafka counts the time before a client came as windows in
/// which it took nothing, and grants them all at once: ten seconds' worth by default.
const FIRST_WINDOW_PART: u32 = 2;

/// A hundredth of a second's time is one percent of it.
const PERCENT: f64 = 100.0;

/// The meters of one client, at least one.
#[derive(Debug)]
pub(crate) struct Limits {
    pub(crate) produce: Option<Arc<Meter>>,
    pub(crate) fetch: Option<Arc<Meter>>,
    /// Counts seconds.
    pub(crate) time: Option<Arc<Meter>>,
    /// Counts partitions.
    pub(crate) mutations: Option<Arc<Meter>>,
    /// One window: the longest rest of a client that takes too much time, as in Kafka.
    pub(crate) time_rest_max: Duration,
}

/// Limits as a connection remembers them.
pub(crate) struct Held {
    /// The quotas in which the limits were found. An idle connection does not keep old quotas alive.
    quotas: Weak<ClientQuotas>,
    client_id: Box<[u8]>,
    limits: Option<Rc<Limits>>,
}

impl Held {
    /// Finds the limits of a client.
    pub(crate) fn find(
        quotas: &Arc<ClientQuotas>,
        client_id: &[u8],
        meters: &Meters,
        config: &BrokerConfig,
    ) -> Held {
        let limits = Limits::find(quotas, client_id, meters, config, millrace_rt::now());
        Held { quotas: Arc::downgrade(quotas), client_id: client_id.into(), limits: limits.map(Rc::new) }
    }

    /// Returns whether the limits are still those of these quotas and this client.
    pub(crate) fn is_of(&self, quotas: &Arc<ClientQuotas>, client_id: &[u8]) -> bool {
        self.quotas.as_ptr() == Arc::as_ptr(quotas) && *self.client_id == *client_id
    }

    pub(crate) fn limits(&self) -> Option<Rc<Limits>> {
        self.limits.clone()
    }
}

impl Limits {
    fn find(
        quotas: &ClientQuotas,
        client_id: &[u8],
        meters: &Meters,
        config: &BrokerConfig,
        now: Moment,
    ) -> Option<Limits> {
        let client_id = std::str::from_utf8(client_id).unwrap_or_default();
        let meter = |key: QuotaKey| {
            let found = quotas.of_client(key, ANONYMOUS, client_id)?;
            let (user, client) = match found.scope {
                QuotaScope::UserAndClient => (ANONYMOUS, client_id),
                QuotaScope::User => (ANONYMOUS, ""),
                QuotaScope::ClientId => ("", client_id),
            };
            Some(meters.of_client(key, user, client, pace(key, found.value, config), now))
        };
        let limits = Limits {
            produce: meter(QuotaKey::ProducerByteRate),
            fetch: meter(QuotaKey::ConsumerByteRate),
            time: meter(QuotaKey::RequestPercentage),
            mutations: meter(QuotaKey::ControllerMutationRate),
            time_rest_max: config.quota_window(),
        };
        let is_limited = [&limits.produce, &limits.fetch, &limits.time, &limits.mutations]
            .into_iter()
            .any(Option::is_some);
        is_limited.then_some(limits)
    }
}

/// How a quota is counted.
pub(super) fn pace(key: QuotaKey, value: f64, config: &BrokerConfig) -> Pace {
    let window = config.quota_window();
    // The windows before the current one.
    let ahead = window * config.quota_windows().saturating_sub(1).max(1);
    match key {
        QuotaKey::ProducerByteRate | QuotaKey::ConsumerByteRate => {
            Pace::beginning_with(value, ahead, window / FIRST_WINDOW_PART)
        }
        QuotaKey::RequestPercentage => {
            Pace::beginning_with(value / PERCENT, ahead, window / FIRST_WINDOW_PART)
        }
        QuotaKey::ControllerMutationRate => {
            Pace::new(value, config.controller_quota_window() * config.controller_quota_windows())
        }
        QuotaKey::ConnectionCreationRate => Pace::new(value, ahead),
    }
}
