//! How many connections one address may have: `max.connections.per.ip` and the overrides for single addresses.

use super::ConfigLayers;
use super::value::{ConfigError, ConfigMap};

const KEY: &str = "max.connections.per.ip";
pub(super) const OVERRIDES_KEY: &str = "max.connections.per.ip.overrides";

/// One entry of the overrides: an address or the name of a host, and its limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressLimit {
    pub host: String,
    pub connections: i32,
}

/// Reads `HOST:COUNT,HOST:COUNT`, as Kafka does: what follows the last colon is the count.
pub fn address_limits(text: &str) -> Result<Vec<AddressLimit>, ConfigError> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    entries
        .map(|entry| {
            let limit = entry.rsplit_once(':').and_then(|(host, count)| {
                let connections = count.trim().parse().ok()?;
                Some(AddressLimit { host: host.trim().to_owned(), connections })
            });
            let reason = "an address or host name, a colon and a number are needed";
            limit
                .filter(|limit| is_host(&limit.host))
                .ok_or_else(|| ConfigError::invalid(OVERRIDES_KEY, entry, reason))
        })
        .collect()
}

/// Kafka's `Utils.validHostPattern`, and addresses of IPv6.
fn is_host(text: &str) -> bool {
    let known = |character: char| character.is_ascii_alphanumeric() || "._-:%[]".contains(character);
    !text.is_empty() && text.chars().all(known)
}

/// Checks the two keys as far as they are given; nobody could connect where no address may.
pub(super) fn check_address_limits(per_address: Option<i64>, overrides: &str) -> Result<(), ConfigError> {
    let overrides = address_limits(overrides)?;
    if per_address == Some(0) && overrides.is_empty() {
        let reason = format!("{KEY} can be set to zero only if {OVERRIDES_KEY} property is set.");
        return Err(ConfigError::new(KEY, format!("requirement failed: {reason}")));
    }
    Ok(())
}

/// Checks settings made while the broker runs.
pub(super) fn check_dynamic(settings: &ConfigMap) -> Result<(), ConfigError> {
    let per_address = settings.get(KEY).and_then(|text| text.trim().parse().ok());
    check_address_limits(per_address, settings.get(OVERRIDES_KEY).map_or("", String::as_str))
}

impl ConfigLayers<'_> {
    /// Most connections of one address that no override names.
    pub fn max_connections_per_ip(&self) -> i32 {
        let set = self.whole(KEY).and_then(|count| i32::try_from(count).ok());
        set.unwrap_or_else(|| self.broker.int(KEY))
    }

    /// Limits of single addresses and hosts.
    pub fn max_connections_per_ip_overrides(&self) -> Vec<AddressLimit> {
        let set =
            self.set_text(OVERRIDES_KEY).or_else(|| self.broker.text(OVERRIDES_KEY)).unwrap_or_default();
        // It was checked when it was set.
        address_limits(set).unwrap_or_else(|error| unreachable!("{}", error.message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::config::BrokerConfig;

    const CASES: &str = "
        | |
        10.0.0.1:5 | 10.0.0.1=5 |
        10.0.0.1:5, host-a:0 ,::1:7 | 10.0.0.1=5 host-a=0 ::1=7 |
        10.0.0.1 | | Invalid value 10.0.0.1 for configuration max.connections.per.ip.overrides: an address or host name, a colon and a number are needed
        :5 | | Invalid value :5 for configuration max.connections.per.ip.overrides: an address or host name, a colon and a number are needed
        a b:5 | | Invalid value a b:5 for configuration max.connections.per.ip.overrides: an address or host name, a colon and a number are needed
        a:x | | Invalid value a:x for configuration max.connections.per.ip.overrides: an address or host name, a colon and a number are needed
    ";

    #[test]
    fn overrides_are_read_as_kafka_reads_them() {
        for line in CASES.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let fields: Vec<&str> = line.split('|').map(str::trim).collect();
            let [text, limits, message] = fields[..] else { panic!("{line}") };
            let shown = |limit: &AddressLimit| format!("{}={}", limit.host, limit.connections);
            let (found, error) = match address_limits(text) {
                Ok(found) => (found.iter().map(shown).collect::<Vec<_>>().join(" "), String::new()),
                Err(error) => (String::new(), error.message),
            };
            assert_eq!((found.as_str(), error.as_str()), (limits, message), "{line}");
        }
    }

    #[test]
    fn zero_needs_overrides() {
        assert!(check_address_limits(Some(0), "").is_err());
        assert!(check_address_limits(Some(0), "10.0.0.1:5").is_ok());
        assert!(check_address_limits(None, "").is_ok());
        let zero = ConfigMap::from([(KEY.to_owned(), "0".to_owned())]);
        assert!(check_dynamic(&zero).is_err());
    }

    #[test]
    fn the_newest_limits_hold() {
        let broker = BrokerConfig::default();
        let own = ConfigMap::from([(OVERRIDES_KEY.to_owned(), "10.0.0.1:5".to_owned())]);
        let all = ConfigMap::from([(KEY.to_owned(), "7".to_owned())]);
        let layers = ConfigLayers { broker: &broker, dynamic_broker: &own, dynamic_default: &all };
        assert_eq!(layers.max_connections_per_ip(), 7);
        assert_eq!(
            layers.max_connections_per_ip_overrides(),
            [AddressLimit { host: "10.0.0.1".to_owned(), connections: 5 }]
        );
    }
}
