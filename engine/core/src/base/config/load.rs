//! Loading: from keys and values to a checked `BrokerConfig`, with every error and every warning at once.

use thiserror::Error;

use super::definition::{Effect, OWN_PREFIX};
use super::layers::cordon::check_cordoned_at_start;
use super::layers::per_address::{OVERRIDES_KEY, check_address_limits};
use super::listeners::{Listener, PROTOCOL_MAP_KEY, ProtocolMap, SecurityProtocol, check_distinct};
use super::registry::{broker_keys, key_of_listener, topic_keys};
use super::value::{ConfigError, Value};
use super::{BrokerConfig, Properties};

/// What becomes of keys that nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownKeys {
    /// A warning, as in Kafka.
    Warn,
    /// An error (`--strict`).
    Refuse,
}

/// Something a user should know about a configuration that is otherwise good.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigWarning {
    #[error("{key} is unknown and ignored")]
    Unknown { key: String },
    #[error("{key} is accepted and has no effect here")]
    WithoutEffect { key: String },
    #[error("{key} acts only in part: {part}")]
    InPart { key: String, part: &'static str },
    #[error("{key} names several directories: only {used} is used")]
    OneDirectory { key: &'static str, used: String },
}

/// A checked configuration and what to tell the user about it.
#[derive(Debug, Clone)]
pub struct LoadedConfig {
    pub broker: BrokerConfig,
    pub warnings: Vec<ConfigWarning>,
}

/// What Kafka requires and a single broker can assume.
const ASSUMED: [(&str, &str); 3] =
    [("node.id", "1"), ("process.roles", "broker,controller"), ("controller.listener.names", "CONTROLLER")];

impl LoadedConfig {
    /// Checks everything that can be checked without opening anything. All errors are returned,
    /// not only the first.
    pub fn load(properties: &Properties, unknown: UnknownKeys) -> Result<LoadedConfig, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let mut warnings = Vec::new();
        let mut broker = BrokerConfig {
            given: properties.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            values: BrokerConfig::default_values(),
            listeners: Vec::new(),
            controller_listeners: Vec::new(),
            advertised_controller_listeners: Vec::new(),
            advertised_listeners: Vec::new(),
        };
        complete(&mut broker);
        read_values(&mut broker, properties, unknown, &mut warnings, &mut errors);
        if errors.is_empty() {
            let checks = [
                check_roles,
                check_retention,
                check_consumer_groups,
                check_offsets_topic,
                check_connections,
                check_cordoned_at_start,
                check_not_served,
                read_listeners,
            ];
            errors.extend(checks.into_iter().filter_map(|check| check(&mut broker).err()));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        warn_of_directories(&broker, &mut warnings);
        Ok(LoadedConfig { broker, warnings })
    }
}

impl Default for BrokerConfig {
    /// What loading nothing gives.
    fn default() -> BrokerConfig {
        match LoadedConfig::load(&Properties::default(), UnknownKeys::Warn) {
            Ok(loaded) => loaded.broker,
            Err(errors) => panic!("the defaults are part of the program: {errors:?}"),
        }
    }
}

/// Adds what follows from what was given: `broker.id` and `node.id` are one,
/// and a single broker is its own controller.
fn complete(broker: &mut BrokerConfig) {
    let id = broker.given("node.id").or_else(|| broker.given("broker.id")).map(str::to_owned);
    for (key, value) in ASSUMED {
        broker.given.entry(key.to_owned()).or_insert_with(|| value.to_owned());
    }
    let id = id.unwrap_or_else(|| ASSUMED[0].1.to_owned());
    for key in ["node.id", "broker.id"] {
        broker.given.insert(key.to_owned(), id.clone());
    }
}

fn read_values(
    broker: &mut BrokerConfig,
    properties: &Properties,
    unknown: UnknownKeys,
    warnings: &mut Vec<ConfigWarning>,
    errors: &mut Vec<ConfigError>,
) {
    for (key, text) in &broker.given {
        let Some(definition) = broker_keys().get(key) else {
            match known_pattern(key) {
                true => warnings.push(ConfigWarning::WithoutEffect { key: key.clone() }),
                false if unknown == UnknownKeys::Refuse || key.starts_with(OWN_PREFIX) => {
                    errors.push(ConfigError::new(
                        key,
                        format!("Unknown configuration {key} with value {text}"),
                    ));
                }
                false => warnings.push(ConfigWarning::Unknown { key: key.clone() }),
            }
            continue;
        };
        match definition.parse(text) {
            Ok(value) => drop(broker.values.insert(definition.name, value)),
            // What was derived from a wrong value is not reported beside it.
            Err(error) if properties.get(key).is_some() => errors.push(error),
            Err(_) => {}
        }
        if properties.get(key).is_some() {
            match definition.effect {
                Effect::Acts => {}
                Effect::InPart(part) => warnings.push(ConfigWarning::InPart { key: key.clone(), part }),
                Effect::None => warnings.push(ConfigWarning::WithoutEffect { key: key.clone() }),
            }
        }
    }
}

/// Keys of one listener (`listener.name.NAME.KEY`) are Kafka's too.
fn known_pattern(key: &str) -> bool {
    key_of_listener(key).is_some_and(|key| broker_keys().get(key).is_some() || key.contains(".sasl."))
}

fn check_roles(broker: &mut BrokerConfig) -> Result<(), ConfigError> {
    let roles = list(broker, "process.roles");
    let lacking = ["broker", "controller"].into_iter().find(|role| !roles.iter().any(|given| given == role));
    if let Some(role) = lacking {
        let reason = format!("a process without the role {role} is not served yet; use broker,controller");
        return Err(ConfigError::invalid("process.roles", roles.join(","), reason));
    }
    for key in ["controller.quorum.voters", "controller.quorum.bootstrap.servers"] {
        let voters = list(broker, key);
        if voters.len() > 1 {
            let reason = "a cluster of several controllers is not served yet";
            return Err(ConfigError::invalid(key, voters.join(","), reason));
        }
    }
    Ok(())
}

/// Kafka refuses a retention of zero.
fn check_retention(broker: &mut BrokerConfig) -> Result<(), ConfigError> {
    for key in ["log.retention.ms", "log.retention.minutes", "log.retention.hours"] {
        if broker.value(key).and_then(Value::whole) == Some(0) {
            let reason = format!("{key} must be unlimited (-1) or, equal or greater than 1");
            return Err(ConfigError::invalid(key, 0, reason));
        }
    }
    Ok(())
}

/// What Kafka's `GroupCoordinatorConfig` demands of the times of the consumer protocol.
fn check_consumer_groups(broker: &mut BrokerConfig) -> Result<(), ConfigError> {
    let int = |key: &str| i64::from(broker.int(key));
    for name in ["heartbeat.interval.ms", "session.timeout.ms", "assignment.interval.ms"] {
        let [key, min, max] = ["", "min.", "max."].map(|bound| format!("group.consumer.{bound}{name}"));
        let at_least = "must be greater than or equal to";
        let relations =
            [(&max, at_least, &min), (&key, at_least, &min), (&key, "must be less than or equal to", &max)];
        for (key, relation, other) in relations {
            let (value, bound) = (int(key), int(other));
            let holds = if relation == at_least { value >= bound } else { value <= bound };
            if !holds {
                return Err(ConfigError::invalid(key, value, format!("{key} {relation} {other}")));
            }
        }
    }
    let [interval, session] = ["group.consumer.heartbeat.interval.ms", "group.consumer.session.timeout.ms"];
    if int(interval) >= int(session) {
        let reason = format!("{interval} must be less than {session}");
        return Err(ConfigError::invalid(interval, int(interval), reason));
    }
    Ok(())
}

/// The offsets topic is made with segments of this size when somebody first asks for a coordinator. Kafka
/// takes every size at the start and refuses to make the topic then, so that groups never have a coordinator.
fn check_offsets_topic(broker: &mut BrokerConfig) -> Result<(), ConfigError> {
    const KEY: &str = "offsets.topic.segment.bytes";
    match (broker.value(KEY), topic_keys().get("segment.bytes")) {
        (Some(bytes), Some(segment)) => segment.validator.check(KEY, bytes.clone()).map(drop),
        _ => Ok(()),
    }
}

/// What would be unsafe to ignore.
fn check_connections(broker: &mut BrokerConfig) -> Result<(), ConfigError> {
    let per_address = i64::from(broker.int("max.connections.per.ip"));
    check_address_limits(Some(per_address), broker.text(OVERRIDES_KEY).unwrap_or_default())
}

fn check_not_served(broker: &mut BrokerConfig) -> Result<(), ConfigError> {
    match broker.text("authorizer.class.name") {
        None | Some("") => Ok(()),
        Some(class) => Err(ConfigError::invalid(
            "authorizer.class.name",
            class,
            "authorization is not served yet, and ignoring it would admit everyone",
        )),
    }
}

fn read_listeners(broker: &mut BrokerConfig) -> Result<(), ConfigError> {
    let controllers = list(broker, "controller.listener.names");
    let is_controller =
        |listener: &Listener| controllers.iter().any(|name| name.eq_ignore_ascii_case(&listener.name));
    let map_text = broker.text(PROTOCOL_MAP_KEY).unwrap_or_default();
    let map = ProtocolMap::parse(map_text, broker.given(PROTOCOL_MAP_KEY).is_some(), &controllers)?;

    let items = list(broker, "listeners");
    let all = map.listeners("listeners", &items)?;
    check_distinct("listeners", &items.join(","), &all)?;
    let (controller, serving): (Vec<_>, Vec<_>) = all.into_iter().partition(is_controller);
    if serving.is_empty() {
        return Err(ConfigError::invalid("listeners", items.join(","), "no listener is left for clients"));
    }
    for listener in serving.iter().chain(&controller) {
        if listener.protocol != SecurityProtocol::Plaintext {
            let reason = format!("listeners of protocol {} are not served yet", listener.protocol);
            return Err(ConfigError::invalid("listeners", listener, reason));
        }
    }
    let advertised = map.listeners("advertised.listeners", &list(broker, "advertised.listeners"))?;
    let (mut of_controllers, of_brokers): (Vec<_>, Vec<_>) = advertised.into_iter().partition(is_controller);
    // Kafka minds only brokers' that are not open.
    of_controllers.retain(|told| controller.iter().any(|open| open.name == told.name));
    let advertised = match_advertised(&serving, &of_brokers)?;
    check_inter_broker(broker, &advertised)?;
    broker.advertised_controller_listeners = match_advertised(&controller, &of_controllers)?;
    broker.listeners = serving;
    broker.controller_listeners = controller;
    broker.advertised_listeners = advertised;
    Ok(())
}

/// What is told for each open listener: the advertised one of the same name;
/// where none is advertised at all, itself.
fn match_advertised(open: &[Listener], advertised: &[Listener]) -> Result<Vec<Listener>, ConfigError> {
    const KEY: &str = "advertised.listeners";
    if advertised.is_empty() {
        return Ok(open.iter().map(routable).collect());
    }
    for listener in advertised {
        if !open.iter().any(|open| open.name == listener.name) {
            let reason = format!("{} is not among the listeners", listener.name);
            return Err(ConfigError::invalid(KEY, listener, reason));
        }
        if listener.host == ANY_IPV4 {
            let reason = "advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. \
                          Use a routable IP address.";
            return Err(ConfigError::invalid(KEY, listener, reason));
        }
    }
    let of = |open: &Listener| advertised.iter().find(|listener| listener.name == open.name).cloned();
    Ok(open.iter().map(|open| of(open).unwrap_or_else(|| routable(open))).collect())
}

const ANY_IPV4: &str = "0.0.0.0";

/// An address that means "all of them" is no address to tell.
fn routable(listener: &Listener) -> Listener {
    let mut told = listener.clone();
    if matches!(told.host.as_str(), ANY_IPV4 | "::") {
        told.host.clear();
    }
    told
}

fn check_inter_broker(broker: &BrokerConfig, advertised: &[Listener]) -> Result<(), ConfigError> {
    const KEY: &str = "inter.broker.listener.name";
    let Some(name) = broker.text(KEY) else { return Ok(()) };
    if advertised.iter().any(|listener| listener.name.eq_ignore_ascii_case(name)) {
        return Ok(());
    }
    let names: Vec<_> = advertised.iter().map(|listener| listener.name.as_str()).collect();
    let reason = format!(
        "{KEY} must be a listener name defined in advertised.listeners. The valid options based on currently \
         configured listeners are {}",
        names.join(",")
    );
    Err(ConfigError::invalid(KEY, name, reason))
}

fn warn_of_directories(broker: &BrokerConfig, warnings: &mut Vec<ConfigWarning>) {
    for key in ["log.dirs", "log.dir"] {
        if let Some(Value::List(items)) = broker.value(key)
            && items.len() > 1
        {
            warnings.push(ConfigWarning::OneDirectory { key, used: broker.data_dir().to_owned() });
        }
    }
}

fn list(broker: &BrokerConfig, key: &str) -> Vec<String> {
    match broker.value(key) {
        Some(Value::List(items)) => items.clone(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys and values of the single-node file that ships with Kafka 4.3.
    const SINGLE_NODE: &str = include_str!("../../../tests/single_node.properties");

    fn load(text: &str) -> Result<LoadedConfig, Vec<ConfigError>> {
        LoadedConfig::load(&Properties::parse(text).unwrap(), UnknownKeys::Warn)
    }

    #[test]
    fn kafkas_own_single_node_file_is_good() {
        let properties = Properties::parse(SINGLE_NODE).unwrap();
        let LoadedConfig { broker, warnings } = LoadedConfig::load(&properties, UnknownKeys::Refuse).unwrap();
        assert_eq!(broker.node_id().0, 1);
        assert_eq!(broker.data_dir(), "/tmp/kraft-combined-logs");
        let texts = |listeners: &[Listener]| listeners.iter().map(Listener::to_string).collect::<Vec<_>>();
        assert_eq!(texts(broker.listeners()), ["PLAINTEXT://:9092"]);
        assert_eq!(texts(broker.controller_listeners()), ["CONTROLLER://:9093"]);
        assert_eq!(texts(broker.advertised_listeners()), ["PLAINTEXT://localhost:9092"]);
        assert!(warnings.contains(&ConfigWarning::WithoutEffect { key: "num.io.threads".to_owned() }));
        assert_eq!(texts(broker.advertised_controller_listeners()), ["CONTROLLER://localhost:9093"]);
        assert!(!warnings.iter().any(|warning| matches!(warning, ConfigWarning::Unknown { .. })));
    }

    #[test]
    fn times_of_the_consumer_protocol_fit_together() {
        let cases = [
            (
                "group.consumer.session.timeout.ms=44999",
                "group.consumer.session.timeout.ms must be greater than or equal to \
                 group.consumer.min.session.timeout.ms",
            ),
            (
                "group.consumer.heartbeat.interval.ms=15001",
                "group.consumer.heartbeat.interval.ms must be less than or equal to \
                 group.consumer.max.heartbeat.interval.ms",
            ),
            (
                "group.consumer.max.session.timeout.ms=1",
                "group.consumer.max.session.timeout.ms must be greater than or equal to \
                 group.consumer.min.session.timeout.ms",
            ),
            (
                "group.consumer.min.session.timeout.ms=1\ngroup.consumer.session.timeout.ms=5000",
                "group.consumer.heartbeat.interval.ms must be less than group.consumer.session.timeout.ms",
            ),
        ];
        for (text, expected) in cases {
            let errors = load(text).unwrap_err();
            assert_eq!(errors.len(), 1, "{text}: {errors:?}");
            assert!(errors[0].message.contains(expected), "{text}: {}", errors[0]);
        }
    }

    #[test]
    fn errors_name_key_value_and_reason() {
        let cases = [
            (
                "num.partitions=many",
                "Invalid value many for configuration num.partitions: Not a number of type INT",
            ),
            (
                "num.partitions=0",
                "Invalid value 0 for configuration num.partitions: Value must be at least 1",
            ),
            (
                "listeners=",
                "Configuration 'listeners' must not be empty. Valid values include: any non-empty value",
            ),
            ("listeners=PLAINTEXT:9092", "Unable to parse PLAINTEXT:9092 to a broker endpoint"),
            ("listeners=PLAINTEXT://:99999", "Unable to parse PLAINTEXT://:99999 to a broker endpoint"),
            ("listeners=HOME://:9092", "No security protocol defined for listener HOME"),
            ("listeners=SSL://:9093", "listeners of protocol SSL are not served yet"),
            ("listeners=A://:1\nlistener.security.protocol.map=A:SASL_SSL", "listeners of protocol SASL_SSL"),
            ("listener.security.protocol.map=PLAINTEXT:TLS", "no security protocol is named TLS"),
            ("listeners=CONTROLLER://:9093", "no listener is left for clients"),
            (
                "listeners=PLAINTEXT://:1,CONTROLLER://:2\nlistener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:SSL",
                "listeners of protocol SSL are not served yet",
            ),
            (
                "listeners=A://:1,B://:1\nlistener.security.protocol.map=A:PLAINTEXT,B:PLAINTEXT",
                "Each listener must have a different port",
            ),
            ("listeners=PLAINTEXT://:1,PLAINTEXT://:2", "Each listener must have a different name"),
            ("advertised.listeners=PLAINTEXT://0.0.0.0:9092", "nonroutable meta-address 0.0.0.0"),
            ("advertised.listeners=SSL://h:9092", "SSL is not among the listeners"),
            (
                "inter.broker.listener.name=SSL",
                "The valid options based on currently configured listeners are",
            ),
            ("process.roles=controller", "a process without the role broker is not served yet"),
            ("process.roles=boss", "String must be one of: broker, controller"),
            ("controller.quorum.voters=1@a:1,2@b:1", "a cluster of several controllers is not served yet"),
            ("log.retention.hours=0", "must be unlimited (-1) or, equal or greater than 1"),
            (
                "offsets.topic.segment.bytes=1048575",
                "Invalid value 1048575 for configuration offsets.topic.segment.bytes: Value must be at least 1048576",
            ),
            ("authorizer.class.name=a.b.C", "authorization is not served yet"),
            ("millrace.durability=hope", "String must be one of: power, process"),
            ("millrace.memory=1MiB", "Value must be at least 33554432"),
            ("millrace.memory=lots", "Not a size"),
            ("millrace.admin.listener=9093", "Not an address: HOST:PORT"),
            ("millrace.admin.listener=::1:9093", "Not an address: HOST:PORT"),
            ("millrace.log.format=xml", "String must be one of: text, json"),
            ("millrace.shards=0", "Value must be at least 1"),
            ("millrace.speed=9", "Unknown configuration millrace.speed with value 9"),
        ];
        for (text, expected) in cases {
            let errors = load(text).unwrap_err();
            assert_eq!(errors.len(), 1, "{text}: {errors:?}");
            assert!(errors[0].message.contains(expected), "{text}: {}", errors[0]);
            assert!(text.contains(&errors[0].key), "{text}: {}", errors[0].key);
        }
    }

    #[test]
    fn all_wrong_values_are_named_at_once() {
        assert_eq!(load("num.partitions=x\nlog.segment.bytes=y\nnode.id=z").unwrap_err().len(), 3);
    }

    #[test]
    fn unknown_keys_warn_unless_strict() {
        let properties =
            Properties::parse("no.such.key=1\nlistener.name.plaintext.ssl.keystore.type=JKS").unwrap();
        let loaded = LoadedConfig::load(&properties, UnknownKeys::Warn).unwrap();
        assert_eq!(
            loaded.warnings,
            [
                ConfigWarning::WithoutEffect { key: "listener.name.plaintext.ssl.keystore.type".to_owned() },
                ConfigWarning::Unknown { key: "no.such.key".to_owned() },
            ]
        );
        let errors = LoadedConfig::load(&properties, UnknownKeys::Refuse).unwrap_err();
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].message, "Unknown configuration no.such.key with value 1");
    }

    #[test]
    fn what_is_not_said_is_assumed_for_one_node() {
        let broker = load(
            "broker.id=7\nlisteners=PLAINTEXT://0.0.0.0:9092,PLAIN2://[::1]:9092\n\
                           listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PLAIN2:PLAINTEXT",
        )
        .unwrap()
        .broker;
        assert_eq!((broker.node_id().0, broker.given("node.id")), (7, Some("7")));
        let told: Vec<_> = broker.advertised_listeners().iter().map(Listener::to_string).collect();
        // "Every address" is no address to tell: an empty host stands for this machine's name.
        assert_eq!(told, ["PLAINTEXT://:9092", "PLAIN2://[::1]:9092"]);
        assert_eq!(BrokerConfig::default().node_id().0, 1);
        assert_eq!(BrokerConfig::default().journal_bytes(), 64 << 20);
    }

    #[test]
    fn the_admin_listener_has_host_and_port_or_is_none() {
        let admin = |value: &str| {
            let broker = load(&format!("millrace.admin.listener={value}")).unwrap().broker;
            broker.admin_listener().map(|(host, port)| (host.to_owned(), port))
        };
        assert_eq!(BrokerConfig::default().admin_listener(), None);
        assert_eq!(admin(""), None);
        assert_eq!(admin("127.0.0.1:9644"), Some(("127.0.0.1".to_owned(), 9644)));
        assert_eq!(admin(":0"), Some((String::new(), 0)));
        assert_eq!(admin("[::1]:1"), Some(("::1".to_owned(), 1)));
    }

    #[test]
    fn one_address_replaces_the_listeners_for_clients() {
        let mut properties = Properties::parse(SINGLE_NODE).unwrap();
        super::super::listen_on(&mut properties, "127.0.0.1", 19092);
        let broker = LoadedConfig::load(&properties, UnknownKeys::Refuse).unwrap().broker;
        let texts = |listeners: &[Listener]| listeners.iter().map(Listener::to_string).collect::<Vec<_>>();
        assert_eq!(texts(broker.listeners()), ["PLAINTEXT://127.0.0.1:19092"]);
        assert_eq!(texts(broker.advertised_listeners()), ["PLAINTEXT://127.0.0.1:19092"]);
        assert_eq!(texts(broker.controller_listeners()), ["CONTROLLER://:9093"]);

        let mut nothing = Properties::default();
        super::super::listen_on(&mut nothing, "::1", 0);
        let broker = LoadedConfig::load(&nothing, UnknownKeys::Refuse).unwrap().broker;
        assert_eq!(texts(broker.listeners()), ["PLAINTEXT://[::1]:0"]);
    }
}
