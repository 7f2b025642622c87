//! The meters of a broker: one for each client that a quota counts apart, bounded in number.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use millrace_core::base::pace::Pace;
use millrace_core::meta::QuotaKey;
use millrace_rt::Moment;

use crate::quota::meter::Meter;

/// The number of clients that are counted apart. Further ones share a meter with others of the same quota. So
/// a client that makes up client ids takes no more memory, and gets no more than one of them.
const METERS_MAX: usize = 16_384;

/// The longest user or client id that is counted apart. It keeps the meters below some 12 MB.
const NAME_BYTES_MAX: usize = 255;

/// The number of clients that metrics show apart.
const SHOWN_MAX: usize = 200;

/// Shared by all shards. Asked when a connection sees a quota for the first time, not by its requests.
#[derive(Default)]
pub(crate) struct Meters {
    known: Mutex<BTreeMap<MeterName, Arc<Meter>>>,
}

/// What clients have in common that share a meter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum MeterName {
    /// A user, a client id, or both. Each is empty if the quota does not depend on it.
    Client {
        key: QuotaKey,
        user: Arc<str>,
        client_id: Arc<str>,
    },
    Address(IpAddr),
    /// All further clients of one rate.
    Others {
        key: QuotaKey,
        rate_bits: u64,
    },
}

/// What metrics show of a client with a quota.
#[derive(Debug, Clone)]
pub(crate) struct MeterReport {
    pub(crate) key: QuotaKey,
    pub(crate) user: Arc<str>,
    pub(crate) client_id: Arc<str>,
    pub(crate) throttles: u64,
    pub(crate) throttled: Duration,
    /// Bytes, seconds or partitions.
    pub(crate) spent: f64,
}

impl Meters {
    /// Returns the meter of a user or client id. It is a new one if the rate has changed.
    pub(crate) fn of_client(
        &self,
        key: QuotaKey,
        user: &str,
        client_id: &str,
        pace: Pace,
        now: Moment,
    ) -> Arc<Meter> {
        let name = match user.len().max(client_id.len()) > NAME_BYTES_MAX {
            true => others(key, pace),
            false => MeterName::Client { key, user: user.into(), client_id: client_id.into() },
        };
        self.meter(name, key, pace, now)
    }

    pub(crate) fn of_address(&self, address: IpAddr, pace: Pace, now: Moment) -> Arc<Meter> {
        self.meter(MeterName::Address(address), QuotaKey::ConnectionCreationRate, pace, now)
    }

    /// Forgets the meters that are not in use and no different from new ones.
    pub(crate) fn forget_idle(&self, now: Moment) {
        self.known().retain(|_, meter| Arc::strong_count(meter) > 1 || !meter.is_as_new(now));
    }

    pub(crate) fn len(&self) -> usize {
        self.known().len()
    }

    /// Returns the clients that were throttled longest, up to a bound.
    pub(crate) fn reports(&self) -> Vec<MeterReport> {
        let known = self.known();
        let report = |(name, meter): (&MeterName, &Arc<Meter>)| {
            let MeterName::Client { key, user, client_id } = name else { return None };
            let (throttles, throttled) = meter.throttled();
            let (user, client_id) = (user.clone(), client_id.clone());
            Some(MeterReport { key: *key, user, client_id, throttles, throttled, spent: meter.spent() })
        };
        let mut reports: Vec<MeterReport> = known.iter().filter_map(report).collect();
        drop(known);
        // Stable: those that never were keep the order of their names.
        reports.sort_by_key(|report| std::cmp::Reverse(report.throttled));
        reports.truncate(SHOWN_MAX);
        reports
    }

    fn meter(&self, name: MeterName, key: QuotaKey, pace: Pace, now: Moment) -> Arc<Meter> {
        let mut known = self.known();
        if let Some(meter) = known.get(&name)
            && meter.pace() == pace
        {
            return Arc::clone(meter);
        }
        let name = match known.len() < METERS_MAX || known.contains_key(&name) {
            true => name,
            false => others(key, pace),
        };
        let place = known.entry(name).or_insert_with(|| Arc::new(Meter::new(key, pace, now)));
        if place.pace() != pace {
            *place = Arc::new(Meter::new(key, pace, now));
        }
        Arc::clone(place)
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<MeterName, Arc<Meter>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn others(key: QuotaKey, pace: Pace) -> MeterName {
    MeterName::Others { key, rate_bits: pace.per_second().to_bits() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: QuotaKey = QuotaKey::ProducerByteRate;

    fn pace(per_second: f64) -> Pace {
        Pace::new(per_second, Duration::from_secs(10))
    }

    #[test]
    fn a_client_has_one_meter_until_its_rate_changes() {
        let (meters, now) = (Meters::default(), Moment::ZERO);
        let meter = meters.of_client(KEY, "", "app", pace(100.0), now);
        assert_eq!(meter.spend(1500.0, now), Duration::from_secs(5));
        let again = meters.of_client(KEY, "", "app", pace(100.0), now);
        assert_eq!(again.overdue(now), Duration::from_secs(5));
        let other = meters.of_client(KEY, "", "other", pace(100.0), now);
        assert_eq!(other.overdue(now), Duration::ZERO);
        let faster = meters.of_client(KEY, "", "app", pace(200.0), now);
        assert_eq!(faster.overdue(now), Duration::ZERO);
        assert_eq!(meters.len(), 2);
    }

    #[test]
    fn an_idle_meter_is_forgotten_once_it_says_nothing() {
        let (meters, now) = (Meters::default(), Moment::ZERO);
        let meter = meters.of_client(KEY, "", "app", pace(100.0), now);
        meter.spend(1500.0, now);
        meters.forget_idle(now + Duration::from_secs(60));
        assert_eq!(meters.len(), 1, "a connection holds it");
        drop(meter);
        meters.forget_idle(now + Duration::from_secs(14));
        assert_eq!(meters.len(), 1, "the client is ahead of its rate");
        meters.forget_idle(now + Duration::from_secs(15));
        assert_eq!(meters.len(), 0);
    }

    #[test]
    fn those_who_find_no_place_share_one() {
        let (meters, now) = (Meters::default(), Moment::ZERO);
        for number in 0..METERS_MAX {
            meters.of_client(KEY, "", &number.to_string(), pace(1.0), now);
        }
        let long = "c".repeat(NAME_BYTES_MAX + 1);
        let meter = meters.of_client(KEY, "", &long, pace(1.0), now);
        assert!(Arc::ptr_eq(&meter, &meters.of_client(KEY, "", "one more", pace(1.0), now)));
        assert!(!Arc::ptr_eq(&meter, &meters.of_client(KEY, "", "7", pace(1.0), now)));
        assert_eq!(meters.len(), METERS_MAX + 1);
        let address = meters.of_address(IpAddr::from([10, 0, 0, 1]), pace(1.0), now);
        assert!(!Arc::ptr_eq(&meter, &address), "connections and bytes are never counted together");
    }
}
