//! Listeners: the addresses a broker opens and the ones it tells clients.

use std::collections::BTreeMap;
use std::fmt;

use super::Properties;
use super::value::ConfigError;

/// How bytes travel on a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecurityProtocol {
    Plaintext,
    Ssl,
    SaslPlaintext,
    SaslSsl,
}

impl SecurityProtocol {
    /// Kafka's number of it, as registrations carry it.
    pub fn code(self) -> i16 {
        match self {
            SecurityProtocol::Plaintext => 0,
            SecurityProtocol::Ssl => 1,
            SecurityProtocol::SaslPlaintext => 2,
            SecurityProtocol::SaslSsl => 3,
        }
    }

    /// The protocol with this number.
    pub fn from_code(code: i16) -> Option<SecurityProtocol> {
        ALL_PROTOCOLS.into_iter().find(|protocol| protocol.code() == code)
    }

    /// The protocol of this name, in any case.
    pub fn parse(name: &str) -> Option<SecurityProtocol> {
        ALL_PROTOCOLS.into_iter().find(|protocol| protocol.to_string().eq_ignore_ascii_case(name))
    }
}

const ALL_PROTOCOLS: [SecurityProtocol; 4] = [
    SecurityProtocol::Plaintext,
    SecurityProtocol::Ssl,
    SecurityProtocol::SaslPlaintext,
    SecurityProtocol::SaslSsl,
];

impl fmt::Display for SecurityProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SecurityProtocol::Plaintext => "PLAINTEXT",
            SecurityProtocol::Ssl => "SSL",
            SecurityProtocol::SaslPlaintext => "SASL_PLAINTEXT",
            SecurityProtocol::SaslSsl => "SASL_SSL",
        })
    }
}

/// A named address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// In capitals.
    pub name: String,
    pub protocol: SecurityProtocol,
    /// Without brackets. Empty: every address of this machine when it is opened,
    /// this machine's own name when it is told to clients.
    pub host: String,
    /// 0: the system chooses one.
    pub port: u16,
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{}://{open}{}{close}:{}", self.name, self.host, self.port)
    }
}

/// Which protocol a listener name stands for.
#[derive(Debug)]
pub(super) struct ProtocolMap(BTreeMap<String, SecurityProtocol>);

pub(super) const PROTOCOL_MAP_KEY: &str = "listener.security.protocol.map";

impl ProtocolMap {
    /// Reads `NAME:PROTOCOL,...`. `controllers` default to PLAINTEXT unless the map was `given`, as in Kafka.
    pub(super) fn parse(text: &str, given: bool, controllers: &[String]) -> Result<ProtocolMap, ConfigError> {
        let mut map = BTreeMap::new();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (name, protocol) = pair.rsplit_once(':').ok_or_else(|| {
                ConfigError::invalid(PROTOCOL_MAP_KEY, text, format!("'{pair}' is not NAME:PROTOCOL"))
            })?;
            let protocol = SecurityProtocol::parse(protocol.trim()).ok_or_else(|| {
                ConfigError::invalid(
                    PROTOCOL_MAP_KEY,
                    text,
                    format!("no security protocol is named {protocol}"),
                )
            })?;
            map.insert(name.trim().to_ascii_uppercase(), protocol);
        }
        if !given {
            for name in controllers {
                map.entry(name.to_ascii_uppercase()).or_insert(SecurityProtocol::Plaintext);
            }
        }
        Ok(ProtocolMap(map))
    }

    /// Reads the listeners in `items`, the value of `key`.
    pub(super) fn listeners(&self, key: &str, items: &[String]) -> Result<Vec<Listener>, ConfigError> {
        items.iter().map(|item| self.listener(key, item)).collect()
    }

    fn listener(&self, key: &str, item: &str) -> Result<Listener, ConfigError> {
        let unreadable =
            || ConfigError::invalid(key, item, format!("Unable to parse {item} to a broker endpoint"));
        let (name, address) = item.split_once("://").ok_or_else(unreadable)?;
        let (host, port) = address.rsplit_once(':').ok_or_else(unreadable)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '%' | '.' | '_' | ':');
        if !host.chars().all(is_host) {
            return Err(unreadable());
        }
        let port = port.parse().map_err(|_| unreadable())?;
        let name = name.to_ascii_uppercase();
        let protocol = *self.0.get(&name).ok_or_else(|| {
            ConfigError::invalid(key, item, format!("No security protocol defined for listener {name}"))
        })?;
        Ok(Listener { name, protocol, host: host.to_owned(), port })
    }
}

/// Host, without brackets, and port of `HOST:PORT`; an empty host means every address.
pub fn split_address(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_bare = !host.contains([':', '[', ']', '/', ' ']);
    let host = inner.or_else(|| is_bare.then_some(host))?;
    Some((host, port.parse().ok()?))
}

/// Replaces the listeners for clients by one, without encryption, at this address; those of controllers stay.
pub fn listen_on(properties: &mut Properties, host: &str, port: u16) {
    let name = SecurityProtocol::Plaintext.to_string();
    let listener =
        Listener { name: name.clone(), protocol: SecurityProtocol::Plaintext, host: host.to_owned(), port };
    let controllers: Vec<&str> =
        properties.get("controller.listener.names").unwrap_or_default().split(',').collect();
    let is_controller = |item: &str| {
        let of = item.split_once("://").map_or(item, |(name, _)| name).trim();
        !of.is_empty()
            && of != name
            && controllers.iter().any(|controller| controller.trim().eq_ignore_ascii_case(of))
    };
    let kept = properties.get("listeners").unwrap_or_default().split(',').filter(|item| is_controller(item));
    let all: Vec<String> =
        std::iter::once(listener.to_string()).chain(kept.map(|item| item.trim().to_owned())).collect();
    properties.set("listeners", all.join(","));
    properties.remove("advertised.listeners");
    properties.remove("inter.broker.listener.name");
    if let Some(map) = properties.get(PROTOCOL_MAP_KEY) {
        let map = format!("{map},{name}:{name}");
        properties.set(PROTOCOL_MAP_KEY, map);
    }
}

/// Refuses two listeners of one name, or of one port.
pub(super) fn check_distinct(key: &str, text: &str, listeners: &[Listener]) -> Result<(), ConfigError> {
    for (at, listener) in listeners.iter().enumerate() {
        let mut earlier = listeners.iter().take(at);
        if earlier.clone().any(|other| other.name == listener.name) {
            let reason = format!("Each listener must have a different name, listeners: {text}");
            return Err(ConfigError::invalid(key, text, reason));
        }
        let same_port = |other: &Listener| {
            other.port != 0 && other.port == listener.port && is_ipv6(other) == is_ipv6(listener)
        };
        if earlier.any(same_port) {
            let reason = format!("Each listener must have a different port, listeners: {text}");
            return Err(ConfigError::invalid(key, text, reason));
        }
    }
    Ok(())
}

/// One IPv4 and one IPv6 listener may share a port.
fn is_ipv6(listener: &Listener) -> bool {
    listener.host.contains(':')
}
