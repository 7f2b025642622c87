//! The loggers of the process (KIP-412) and their levels. Changes of levels hold until the process ends.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use millrace_core::meta::{AlterEntry, AlterError, AlterOperation, check_entries};
use millrace_shard::ValidateOnly;

/// The logger around all others. Loggers without a level have its level.
pub const ROOT_LOGGER: &str = "root";

/// The lowest severity that a logger writes. Nothing is logged as fatal, so at that level a logger is silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    Off,
    Fatal,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    const ALL: [LogLevel; 7] = [
        LogLevel::Off,
        LogLevel::Fatal,
        LogLevel::Error,
        LogLevel::Warn,
        LogLevel::Info,
        LogLevel::Debug,
        LogLevel::Trace,
    ];

    pub fn name(self) -> &'static str {
        match self {
            LogLevel::Off => "OFF",
            LogLevel::Fatal => "FATAL",
            LogLevel::Error => "ERROR",
            LogLevel::Warn => "WARN",
            LogLevel::Info => "INFO",
            LogLevel::Debug => "DEBUG",
            LogLevel::Trace => "TRACE",
        }
    }

    /// Parses a level of a log filter, in upper or lower case.
    pub fn of_filter(name: &str) -> Option<LogLevel> {
        LogLevel::ALL.into_iter().find(|level| level.name().eq_ignore_ascii_case(name))
    }

    /// Parses a level that clients may set.
    fn of_client(name: &str) -> Option<LogLevel> {
        LogLevel::ALL.into_iter().find(|level| level.name() == name && *level != LogLevel::Off)
    }
}

/// The loggers, modules of the program, and their levels.
/// A logger without a level of its own has that of the module around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLevels {
    names: &'static [&'static str],
    root: LogLevel,
    own: BTreeMap<&'static str, LogLevel>,
}

impl LogLevels {
    /// All loggers at one level.
    pub fn new(names: &'static [&'static str], root: LogLevel) -> LogLevels {
        LogLevels { names, root, own: BTreeMap::new() }
    }

    /// Gives a logger a level of its own. Returns false if there is no such logger.
    pub fn set(&mut self, name: &str, level: LogLevel) -> bool {
        if name == ROOT_LOGGER {
            self.root = level;
            return true;
        }
        let known = self.names.iter().find(|known| **known == name);
        known.is_some_and(|known| {
            self.own.insert(*known, level);
            true
        })
    }

    pub fn root(&self) -> LogLevel {
        self.root
    }

    /// Returns every logger but the root, with its own level or the inherited one.
    pub fn modules(&self) -> impl Iterator<Item = (&'static str, LogLevel)> {
        self.names.iter().map(|name| (*name, self.level(name)))
    }

    fn level(&self, name: &str) -> LogLevel {
        let mut module = name;
        loop {
            if let Some(level) = self.own.get(module) {
                return *level;
            }
            match module.rsplit_once("::") {
                Some((around, _)) => module = around,
                None => return self.root,
            }
        }
    }

    fn has(&self, name: &str) -> bool {
        name == ROOT_LOGGER || self.names.contains(&name)
    }

    /// Returns the levels after a change, or why it is refused. The order of checks and the messages are
    /// those of Kafka's broker (`ConfigAdminManager`).
    fn altered(&self, entries: &[AlterEntry]) -> Result<LogLevels, AlterError> {
        check_entries(entries)?;
        let mut after = self.clone();
        for AlterEntry { key: name, operation, value } in entries {
            match operation {
                AlterOperation::Set | AlterOperation::Delete if !self.has(name) => {
                    return Err(AlterError::config(format!("Logger {name} does not exist!")));
                }
                AlterOperation::Set => {
                    let value = value.as_deref().unwrap_or_default();
                    let level = LogLevel::of_client(value).ok_or_else(|| {
                        AlterError::config(format!(
                            "Cannot set the log level of {name} to {value} as it is not a supported log level. Valid \
                             log levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN"
                        ))
                    })?;
                    after.set(name, level);
                }
                AlterOperation::Delete if name == ROOT_LOGGER => {
                    return Err(AlterError::request(
                        "Removing the log level of the root logger is not allowed",
                    ));
                }
                AlterOperation::Delete => drop(after.own.remove(name.as_str())),
                AlterOperation::Append => {
                    return Err(AlterError::request(
                        "APPEND operation is not allowed for the BROKER_LOGGER resource",
                    ));
                }
                AlterOperation::Subtract => {
                    return Err(AlterError::request(
                        "SUBTRACT operation is not allowed for the BROKER_LOGGER resource",
                    ));
                }
            }
        }
        Ok(after)
    }
}

/// Sets the levels of the log.
pub type ApplyLevels = Box<dyn Fn(&LogLevels) + Send + Sync>;

/// The loggers of the process, shared by all shards.
pub struct Loggers {
    levels: Mutex<LogLevels>,
    apply: ApplyLevels,
}

impl Loggers {
    /// `levels` are the current levels of the log.
    pub fn new(levels: LogLevels, apply: ApplyLevels) -> Loggers {
        Loggers { levels: Mutex::new(levels), apply }
    }

    pub(crate) fn levels(&self) -> LogLevels {
        self.lock().clone()
    }

    /// Applies all entries or none. They have taken effect when this returns.
    pub(crate) fn alter(&self, entries: &[AlterEntry], mode: ValidateOnly) -> Result<(), AlterError> {
        let mut levels = self.lock();
        let after = levels.altered(entries)?;
        if mode == ValidateOnly::No && after != *levels {
            (self.apply)(&after);
            *levels = after;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, LogLevels> {
        self.levels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const NAMES: &[&str] = &["a", "a::b", "a::b::c", "a::bc", "d"];

    /// "name=LEVEL", "name=" to delete, "name+=LEVEL", "name-=LEVEL".
    fn entries(text: &str) -> Vec<AlterEntry> {
        let entry = |word: &str| {
            let (name, value) = word.split_once('=').unwrap();
            let (key, operation) = match (name.strip_suffix('+'), name.strip_suffix('-')) {
                (Some(key), _) => (key, AlterOperation::Append),
                (_, Some(key)) => (key, AlterOperation::Subtract),
                _ if value.is_empty() => (name, AlterOperation::Delete),
                _ => (name, AlterOperation::Set),
            };
            AlterEntry { key: key.to_owned(), operation, value: Some(value.to_owned()) }
        };
        text.split_whitespace().map(entry).collect()
    }

    fn shown(levels: &LogLevels) -> String {
        let modules = levels.modules().map(|(name, level)| format!(" {name}={}", level.name()));
        format!("{}{}", levels.root().name(), modules.collect::<String>())
    }

    /// Changes one after another, and what each comes to.
    const CHANGES: &str = "
        | INFO a=INFO a::b=WARN a::b::c=WARN a::bc=INFO d=INFO
        root=ERROR | ERROR a=ERROR a::b=WARN a::b::c=WARN a::bc=ERROR d=ERROR
        a=DEBUG d=FATAL | ERROR a=DEBUG a::b=WARN a::b::c=WARN a::bc=DEBUG d=FATAL
        a::b= | ERROR a=DEBUG a::b=DEBUG a::b::c=DEBUG a::bc=DEBUG d=FATAL
        a::b::c=TRACE a= | ERROR a=ERROR a::b=ERROR a::b::c=TRACE a::bc=ERROR d=FATAL
        a= | ERROR a=ERROR a::b=ERROR a::b::c=TRACE a::bc=ERROR d=FATAL
        d=INFO x=INFO | InvalidConfig Logger x does not exist!
        x= | InvalidConfig Logger x does not exist!
        d=INFO a=info | InvalidConfig Cannot set the log level of a to info as it is not a supported log level. Valid log levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN
        a=OFF | InvalidConfig Cannot set the log level of a to OFF as it is not a supported log level. Valid log levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN
        root= | InvalidRequest Removing the log level of the root logger is not allowed
        d=INFO x+=INFO | InvalidRequest APPEND operation is not allowed for the BROKER_LOGGER resource
        a-=INFO | InvalidRequest SUBTRACT operation is not allowed for the BROKER_LOGGER resource
        d=INFO d=WARN | InvalidRequest Error due to duplicate config keys
        d=INFO | ERROR a=ERROR a::b=ERROR a::b::c=TRACE a::bc=ERROR d=INFO";

    #[test]
    fn levels_change_or_are_refused_as_kafka_does() {
        let mut levels = LogLevels::new(NAMES, LogLevel::Info);
        assert!(levels.set("a::b", LogLevel::Warn) && !levels.set("x", LogLevel::Warn));
        let applied = Arc::new(Mutex::new(levels.clone()));
        let log = applied.clone();
        let loggers = Loggers::new(levels, Box::new(move |levels| *log.lock().unwrap() = levels.clone()));
        for line in CHANGES.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (change, expected) = line.split_once('|').unwrap();
            let before = loggers.levels();
            let looked_at = loggers.alter(&entries(change), ValidateOnly::Yes);
            assert_eq!(loggers.levels(), before, "{change}");
            let result = loggers.alter(&entries(change), ValidateOnly::No);
            assert_eq!(looked_at, result, "{change}");
            let ours = match result {
                Ok(()) => shown(&loggers.levels()),
                Err(error) => format!("{:?} {error}", error.kind),
            };
            assert_eq!(ours, expected.trim(), "{change}");
            assert_eq!(*applied.lock().unwrap(), loggers.levels(), "{change}");
        }
    }
}
