//! Logs on standard error, as text or JSON, written by a thread of their own:
//! whoever does not read them never stops a shard.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use millrace_core::base::config::LogFormat;
use millrace_server::{ApplyLevels, LogLevels, Loggers};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::reload::Handle;

use crate::log_filter::{self, LogFilter};

/// Lines, and bytes of lines, that may wait for the reader; what comes on top is lost, and counted.
const LINES_MAX: usize = 2048;
const BYTES_MAX: usize = 1 << 20;

/// How long the end of the process waits for the reader.
const END_PATIENCE: Duration = Duration::from_secs(1);

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

/// Starts logging. The answer counts the lines that are lost, and has the loggers;
/// only the first call of a process starts anything.
pub(crate) fn start(format: LogFormat, filter: LogFilter) -> io::Result<(Arc<AtomicU64>, Option<Loggers>)> {
    let (lines, queued) = mpsc::sync_channel(LINES_MAX);
    let queue = Queue { lines, waiting_bytes: Arc::default(), lost: Arc::default() };
    let (waiting_bytes, lost) = (queue.waiting_bytes.clone(), queue.lost.clone());
    let count = lost.clone();
    if QUEUE.set(queue).is_err() {
        return Ok((count, None));
    }
    let write = move || write_lines(format, &queued, &waiting_bytes, &lost);
    std::thread::Builder::new().name("millrace-log".to_owned()).spawn(write)?;
    let LogFilter { initial, levels, others } = filter;
    let builder = tracing_subscriber::fmt().with_env_filter(initial).with_ansi(false).with_writer(|| Enqueue);
    let apply: ApplyLevels = match format {
        LogFormat::Text => {
            let builder = builder.with_target(false).with_filter_reloading();
            let handle = builder.reload_handle();
            let _already_set = tracing::subscriber::set_global_default(builder.finish());
            Box::new(move |levels| reload(&handle, levels, &others))
        }
        LogFormat::Json => {
            let builder = builder.json().flatten_event(true).with_filter_reloading();
            let handle = builder.reload_handle();
            let _already_set = tracing::subscriber::set_global_default(builder.finish());
            Box::new(move |levels| reload(&handle, levels, &others))
        }
    };
    Ok((count, Some(Loggers::new(levels, apply))))
}

fn reload<S>(handle: &Handle<EnvFilter, S>, levels: &LogLevels, others: &str) {
    let text = log_filter::directives(levels, others);
    let result = EnvFilter::builder().parse(&text).map_err(|error| error.to_string());
    if let Err(error) = result.and_then(|filter| handle.reload(filter).map_err(|error| error.to_string())) {
        tracing::error!(error, "the levels of loggers stay as they are");
    }
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
