//! What is logged: the filter that a flag, the environment or the configuration gives,
//! and the levels that loggers have by it.

use millrace_core::base::config::ConfigError;
use millrace_server::{LogLevel, LogLevels};
use tracing_subscriber::EnvFilter;

/// Says what is logged, over `millrace.log.level`.
const FILTER_VARIABLE: &str = "MILLRACE_LOG";

/// Levels by name, as filters have them.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Where a filter has levels for modules alone.
const REST: LogLevel = LogLevel::Error;

/// A checked filter.
#[derive(Debug)]
pub(crate) struct LogFilter {
    pub(crate) initial: EnvFilter,
    /// What it says of our own modules.
    pub(crate) levels: LogLevels,
    /// What it says of spans, and of modules that are not ours.
    pub(crate) others: String,
}

/// The filter to use: a flag's, the environment's, or the configured one.
pub(crate) fn log_filter(
    flag: Option<&str>,
    configured: &str,
    loggers: &'static [&'static str],
) -> Result<LogFilter, ConfigError> {
    let environment = std::env::var(FILTER_VARIABLE).ok();
    let (key, text) = match (flag, &environment) {
        (Some(text), _) => ("millrace.log.level", text),
        (None, Some(text)) => (FILTER_VARIABLE, text.as_str()),
        (None, None) => ("millrace.log.level", configured),
    };
    check_levels(text).map_err(|reason| ConfigError::invalid(key, text, reason))?;
    let initial = EnvFilter::builder().parse(text).map_err(|error| ConfigError::invalid(key, text, error))?;
    let (levels, others) = levels(text, loggers);
    Ok(LogFilter { initial, levels, others })
}

/// A misspelt level would be taken for the name of a module, and nothing be logged.
fn check_levels(text: &str) -> Result<(), String> {
    let levels = text.split(',').filter(|part| !part.contains('[')).map(|part| {
        let (_, level) = part.rsplit_once('=').unwrap_or(("", part));
        level.trim()
    });
    for level in levels {
        if !LEVELS.iter().any(|known| known.eq_ignore_ascii_case(level)) {
            return Err(format!("`{level}` is no level; levels are {}", LEVELS.join(", ")));
        }
    }
    Ok(())
}

/// The levels of our modules, and the rest of the filter.
/// The longest beginning of a module's name is what counts for it.
fn levels(text: &str, loggers: &'static [&'static str]) -> (LogLevels, String) {
    let mut root = REST;
    let mut modules: Vec<(&str, LogLevel)> = Vec::new();
    let mut others = Vec::new();
    for part in text.split(',') {
        let (module, level) = part.rsplit_once('=').unwrap_or(("", part));
        match (module.trim(), LogLevel::of_filter(level.trim())) {
            (_, Some(level)) if !part.contains('=') => root = level,
            (module, Some(level)) if loggers.iter().any(|name| name.starts_with(module)) => {
                modules.push((module, level));
            }
            _ => others.push(part),
        }
    }
    let mut levels = LogLevels::new(loggers, root);
    for name in loggers {
        // Of two for the same module the last one counts.
        let longest =
            modules.iter().filter(|(module, _)| name.starts_with(module)).max_by_key(|it| it.0.len());
        let level = longest.map_or(root, |(_, level)| *level);
        // Modules come after those around them, so that only what differs is a level of its own.
        if levels.modules().any(|(known, inherited)| known == *name && inherited != level) {
            levels.set(name, level);
        }
    }
    (levels, others.join(","))
}

/// A filter of these levels and the rest of another. Every module is named: one that is not would go by the
/// longest name that its own begins with, whether that is a module around it or not.
pub(crate) fn directives(levels: &LogLevels, others: &str) -> String {
    let rest = (!others.is_empty()).then(|| others.to_owned());
    let modules = levels.modules().map(|(name, level)| format!("{name}={}", in_filter(level)));
    let parts = std::iter::once(in_filter(levels.root()).to_owned()).chain(rest).chain(modules);
    parts.collect::<Vec<String>>().join(",")
}

/// No line is fatal, so that nothing is written at that level.
fn in_filter(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Off | LogLevel::Fatal => "off",
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_checked_by_name() {
        for good in ["info", "WARN", "warn,millrace_server=debug", "off, millrace_rt=trace", "[span]=debug"] {
            assert_eq!(check_levels(good), Ok(()), "{good}");
        }
        for (wrong, level) in [("verbose", "verbose"), ("info,a=loud", "loud"), ("", "")] {
            assert!(check_levels(wrong).unwrap_err().contains(&format!("`{level}` is no level")), "{wrong}");
        }
    }

    const LOGGERS: &[&str] = &["m", "m::a", "m::a::b", "m::ab", "m_s", "m_s::c"];

    /// Filters, and what they become when levels are set as they are.
    const FILTERS: &str = "
        info | info,m=info,m::a=info,m::a::b=info,m::ab=info,m_s=info,m_s::c=info
        Off | off,m=off,m::a=off,m::a::b=off,m::ab=off,m_s=off,m_s::c=off
        m_s=debug | error,m=error,m::a=error,m::a::b=error,m::ab=error,m_s=debug,m_s::c=debug
        warn,m=info,m::a=trace,m::a::b=off | \
            warn,m=info,m::a=trace,m::a::b=off,m::ab=trace,m_s=info,m_s::c=info
        m=info,hyper=warn,warn,m=debug | \
            warn,hyper=warn,m=debug,m::a=debug,m::a::b=debug,m::ab=debug,m_s=debug,m_s::c=debug
        info,[span{a=1}]=debug | \
            info,[span{a=1}]=debug,m=info,m::a=info,m::a::b=info,m::ab=info,m_s=info,m_s::c=info";

    #[test]
    fn a_filter_gives_each_logger_its_level() {
        for line in FILTERS.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (filter, expected) = line.split_once(" | ").unwrap();
            let (levels, others) = levels(filter, LOGGERS);
            assert_eq!(directives(&levels, &others), expected, "{filter}");
            EnvFilter::builder().parse(expected).unwrap();
        }
    }
}
