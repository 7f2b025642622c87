//! Data directories that take no new partitions: `cordoned.log.dirs` (KIP-1066).

use crate::base::config::registry::broker_keys;
use crate::base::config::value::{ConfigError, Value};
use crate::base::config::{BrokerConfig, ConfigLayers};

const KEY: &str = "cordoned.log.dirs";
/// Stands for every directory.
const ALL: &str = "*";

/// Checks that the directories to be cordoned are the broker's, in Kafka's words.
pub(in crate::base::config) fn check_cordoned(
    broker: &BrokerConfig,
    cordoned: &[String],
) -> Result<(), ConfigError> {
    let refuse = |reason: String| Err(ConfigError::new(KEY, format!("requirement failed: {reason}")));
    if cordoned.iter().any(|name| name == ALL) {
        return match cordoned.len() {
            1 => Ok(()),
            _ => refuse(format!("When {KEY} is set to {ALL}, it must not contain other values")),
        };
    }
    let own = broker.data_dirs();
    let missing: Vec<&str> =
        cordoned.iter().map(String::as_str).filter(|name| !own.iter().any(|known| known == name)).collect();
    match missing.is_empty() {
        true => Ok(()),
        false => refuse(format!(
            "All entries in {KEY} must be present in log.dirs or log.dir. Missing entries : {}",
            missing.join(", ")
        )),
    }
}

/// What the broker's file says.
pub(in crate::base::config) fn check_cordoned_at_start(broker: &mut BrokerConfig) -> Result<(), ConfigError> {
    match broker.value(KEY) {
        Some(Value::List(cordoned)) => check_cordoned(broker, cordoned),
        _ => Ok(()),
    }
}

impl ConfigLayers<'_> {
    /// Checks what the layers give together.
    pub fn check_cordoned(&self) -> Result<(), ConfigError> {
        check_cordoned(self.broker, &self.cordoned())
    }

    /// Whether the directory that the broker uses takes no new partitions.
    pub fn is_cordoned(&self) -> bool {
        let own = self.broker.data_dir();
        self.cordoned().iter().any(|name| name == ALL || name == own)
    }

    fn cordoned(&self) -> Vec<String> {
        let set = self.set_text(KEY).and_then(|text| broker_keys().get(KEY)?.parse(text).ok());
        match set.as_ref().or_else(|| self.broker.value(KEY)) {
            Some(Value::List(names)) => names.clone(),
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::config::{ConfigMap, LoadedConfig, Properties, UnknownKeys};

    /// The file, the setting made while running (`-` for none),
    /// and whether the directory is cordoned or what is wrong.
    const CASES: &str = "
        log.dirs=/a | - | false
        log.dirs=/a | /a | true
        log.dirs=/a | * | true
        log.dirs=/a |  | false
        log.dirs=/a,/b | /b | false
        log.dirs=/a,/b | /b,/a | true
        log.dir=/a | /a | true
        log.dirs=/a cordoned.log.dirs=/a | - | true
        log.dirs=/a cordoned.log.dirs=* |  | false
        log.dirs=/a | /b,/a,/c | requirement failed: All entries in cordoned.log.dirs must be present in log.dirs or log.dir. Missing entries : /b, /c
        log.dirs=/a | *,/a | requirement failed: When cordoned.log.dirs is set to *, it must not contain other values
    ";

    #[test]
    fn directories_are_cordoned_as_kafka_does() {
        for line in CASES.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let fields: Vec<&str> = line.split('|').map(str::trim).collect();
            let [file, set, expected] = fields[..] else { panic!("{line}") };
            let properties = Properties::parse(&file.replace(' ', "\n")).unwrap();
            let broker = LoadedConfig::load(&properties, UnknownKeys::Refuse).unwrap().broker;
            let own = (set != "-").then(|| (KEY.to_owned(), set.to_owned()));
            let (dynamic_broker, dynamic_default) = (own.into_iter().collect(), ConfigMap::new());
            let layers = ConfigLayers {
                broker: &broker,
                dynamic_broker: &dynamic_broker,
                dynamic_default: &dynamic_default,
            };
            let ours = match layers.check_cordoned() {
                Ok(()) => layers.is_cordoned().to_string(),
                Err(error) => error.message,
            };
            assert_eq!(ours, expected, "{line}");
        }
        let file = Properties::parse("log.dirs=/a\ncordoned.log.dirs=/b").unwrap();
        assert!(LoadedConfig::load(&file, UnknownKeys::Refuse).is_err());
    }
}
