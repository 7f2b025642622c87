//! Runs one program to its end, its output in a file, within a limit of time.

use std::error::Error;
use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How often a running program is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Starts `command` without input; what it prints is appended to `log`.
pub(super) fn start(command: &mut Command, log: &Path) -> Result<Child, Box<dyn Error>> {
    let output = OpenOptions::new().create(true).append(true).open(log)?;
    let name = format!("{command:?}");
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    command.spawn().map_err(|error| format!("{name}: {error}").into())
}

/// Waits until `child` ends; past the limit it is killed, which is an error.
pub(super) fn wait(child: &mut Child, limit: Duration) -> Result<ExitStatus, Box<dyn Error>> {
    let ended = poll(limit, || Ok(child.try_wait()?))?;
    match ended {
        Some(status) => Ok(status),
        None => {
            child.kill()?;
            child.wait()?;
            Err(format!("no end after {} s, killed", limit.as_secs()).into())
        }
    }
}

/// Looks until there is a result; `None` when the limit has passed.
#[expect(clippy::disallowed_methods, reason = "a development command lives in real time")]
pub(super) fn poll<T>(
    limit: Duration,
    mut look: impl FnMut() -> Result<Option<T>, Box<dyn Error>>,
) -> Result<Option<T>, Box<dyn Error>> {
    let began = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(Some(found));
        }
        if began.elapsed() > limit {
            return Ok(None);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Runs `command` to its end; a failing exit code is an error.
pub(super) fn run(command: &mut Command, log: &Path, limit: Duration) -> Result<(), Box<dyn Error>> {
    let status = wait(&mut start(command, log)?, limit)?;
    if status.success() { Ok(()) } else { Err(status.to_string().into()) }
}
