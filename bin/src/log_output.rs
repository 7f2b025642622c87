//! Logs on standard error, as text or JSON, written by a thread of their own: whoever does not read them never stops a
//! shard.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use millrace_core::base::config::{ConfigError, LogFormat};
use tracing_subscriber::EnvFilter;

/// Says what is logged, over `millrace.log.level`.
const FILTER_VARIABLE: &str = "MILLRACE_LOG";

/// Lines, and bytes of lines, that may wait for the reader; what comes on top is lost, and counted.
const LINES_MAX: usize = 2048;
const BYTES_MAX: usize = 1 << 20;

/// How long the end of the process waits for the reader.
const END_PATIENCE: Duration = Duration::from_secs(1);

/// Levels by name, as filters have them.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

static QUEUE: OnceLock<Queue> = OnceLock::new();

/// Lines on their way to the thread that writes.
struct Queue {
    lines: SyncSender<Message>,
    waiting_bytes: Arc<AtomicUsize>,
    lost: Arc<AtomicU64>,
}

enum Message {
    Line(Vec<u8>),
    /// Everything before it has been written.
    End(SyncSender<()>),
}

/// The filter to use: a flag's, the environment's, or the configured one.
pub(crate) fn filter(flag: Option<&str>, configured: &str) -> Result<EnvFilter, ConfigError> {
    let environment = std::env::var(FILTER_VARIABLE).ok();
    let (key, text) = match (flag, &environment) {
        (Some(text), _) => ("millrace.log.level", text),
        (None, Some(text)) => (FILTER_VARIABLE, text.as_str()),
        (None, None) => ("millrace.log.level", configured),
    };
    check_levels(text).map_err(|reason| ConfigError::invalid(key, text, reason))?;
    EnvFilter::builder().parse(text).map_err(|error| ConfigError::invalid(key, text, error))
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

/// Starts logging; the answer counts the lines that are lost. Only the first call of a process starts anything.
pub(crate) fn start(format: LogFormat, filter: EnvFilter) -> io::Result<Arc<AtomicU64>> {
    let (lines, queued) = mpsc::sync_channel(LINES_MAX);
    let queue = Queue { lines, waiting_bytes: Arc::default(), lost: Arc::default() };
    let (waiting_bytes, lost) = (queue.waiting_bytes.clone(), queue.lost.clone());
    let count = lost.clone();
    if QUEUE.set(queue).is_err() {
        return Ok(count);
    }
    let write = move || write_lines(format, &queued, &waiting_bytes, &lost);
    std::thread::Builder::new().name("millrace-log".to_owned()).spawn(write)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(|| Enqueue);
    let _already_set = match format {
        LogFormat::Text => tracing::subscriber::set_global_default(builder.with_target(false).finish()),
        LogFormat::Json => {
            tracing::subscriber::set_global_default(builder.json().flatten_event(true).finish())
        }
    };
    Ok(count)
}

/// Waits a moment until what was logged has been written, before the process ends.
pub(crate) fn finish() {
    let Some(queue) = QUEUE.get() else { return };
    let (done, written) = mpsc::sync_channel(1);
    // A full queue means that nobody reads.
    if queue.lines.try_send(Message::End(done)).is_ok() {
        let _ = written.recv_timeout(END_PATIENCE);
    }
}

/// Hands a line to the thread, or counts it as lost.
struct Enqueue;

impl Write for Enqueue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Some(queue) = QUEUE.get() {
            queue.push(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Queue {
    fn push(&self, line: &[u8]) {
        let waiting = self.waiting_bytes.fetch_add(line.len(), Ordering::Relaxed);
        let is_full = waiting + line.len() > BYTES_MAX;
        if is_full || self.lines.try_send(Message::Line(line.to_vec())).is_err() {
            self.waiting_bytes.fetch_sub(line.len(), Ordering::Relaxed);
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Runs as long as the process.
fn write_lines(format: LogFormat, queued: &Receiver<Message>, waiting_bytes: &AtomicUsize, lost: &AtomicU64) {
    let mut told = 0;
    while let Ok(message) = queued.recv() {
        let mut stderr = io::stderr();
        match message {
            // Nobody can be told that nobody reads.
            Message::Line(line) => {
                let _ = stderr.write_all(&line);
                waiting_bytes.fetch_sub(line.len(), Ordering::Relaxed);
            }
            Message::End(done) => drop(done.try_send(())),
        }
        let now = lost.load(Ordering::Relaxed);
        if now > told {
            let _ = writeln!(stderr, "{}", loss(format, now - told));
            told = now;
        }
    }
}

fn loss(format: LogFormat, lines: u64) -> String {
    match format {
        LogFormat::Text => format!("({lines} lines were not read in time and are lost)"),
        LogFormat::Json => {
            format!(
                "{{\"level\":\"WARN\",\"message\":\"lines were not read in time\",\"lost_lines\":{lines}}}"
            )
        }
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

    #[test]
    fn what_is_too_much_is_lost_and_counted() {
        let (lines, queued) = mpsc::sync_channel(2);
        let queue = Queue { lines, waiting_bytes: Arc::default(), lost: Arc::default() };
        queue.push(&[b'a'; 10]);
        queue.push(&vec![b'b'; BYTES_MAX]);
        queue.push(b"c");
        queue.push(b"d");
        assert_eq!(queue.lost.load(Ordering::Relaxed), 2, "too many bytes, and too many lines");
        assert_eq!(queue.waiting_bytes.load(Ordering::Relaxed), 11);
        assert!(matches!(queued.recv(), Ok(Message::Line(line)) if line.len() == 10));
    }
}
