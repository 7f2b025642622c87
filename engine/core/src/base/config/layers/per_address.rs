//! How many connections one address may have: `max.connections.per.ip` and the overrides for single
//! addresses.

use crate::base::config::ConfigLayers;
use crate::base::config::value::ConfigError;

const KEY: &str = "max.connections.per.ip";
pub(in crate::base::config) const OVERRIDES_KEY: &str = "max.connections.per.ip.overrides";

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
pub(in crate::base::config) fn check_address_limits(
    per_address: Option<i64>,
    overrides: &str,
) -> Result<(), ConfigError> {
    let overrides = address_limits(overrides)?;
    if per_address == Some(0) && overrides.is_empty() {
        let reason = format!("{KEY} can be set to zero only if {OVERRIDES_KEY} property is set.");
        return Err(ConfigError::new(KEY, format!("requirement failed: {reason}")));
    }
    Ok(())
}

impl ConfigLayers<'_> {
    /// Checks what the layers give together: as in Kafka,
    /// the newest layer that has a key counts for all of it.
    pub fn check_address_limits(&self) -> Result<(), ConfigError> {
        check_address_limits(Some(i64::from(self.max_connections_per_ip())), self.overrides_text())
    }

    /// Most connections of one address that no override names.
    pub fn max_connections_per_ip(&self) -> i32 {
        let set = self.whole(KEY).and_then(|count| i32::try_from(count).ok());
        set.unwrap_or_else(|| self.broker.int(KEY))
    }

    /// Limits of single addresses and hosts.
    pub fn max_connections_per_ip_overrides(&self) -> Vec<AddressLimit> {
        // It was checked when it was set.
        address_limits(self.overrides_text()).unwrap_or_else(|error| unreachable!("{}", error.message))
    }

    fn overrides_text(&self) -> &str {
        self.set_text(OVERRIDES_KEY).or_else(|| self.broker.text(OVERRIDES_KEY)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::config::{BrokerConfig, ConfigMap};

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
    }

    #[test]
    fn zero_may_stand_in_one_layer_and_overrides_in_another() {
        let map = |key: &str, value: &str| ConfigMap::from([(key.to_owned(), value.to_owned())]);
        let (broker, nothing) = (BrokerConfig::default(), ConfigMap::new());
        let (zero, overrides, emptied) = (map(KEY, "0"), map(OVERRIDES_KEY, "a:1"), map(OVERRIDES_KEY, ""));
        let is_right = |dynamic_broker, dynamic_default| {
            ConfigLayers { broker: &broker, dynamic_broker, dynamic_default }.check_address_limits().is_ok()
        };
        assert!(is_right(&overrides, &zero) && is_right(&zero, &overrides));
        assert!(!is_right(&zero, &nothing) && !is_right(&nothing, &zero));
        let both: ConfigMap = zero.iter().chain(&overrides).map(|(k, v)| (k.clone(), v.clone())).collect();
        assert!(!is_right(&emptied, &both), "what is set for the broker hides all that is set for all");
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
