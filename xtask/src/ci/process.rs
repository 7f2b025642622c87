//! Runs one program to its end, its output in a file, within a limit of time.

use procfs::process::{Process, Stat};
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

/// How a process ended, and the processor time that it took, with its own children that it waited for.
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) spent: Duration,
}

/// Waits until `child` ends; past the limit it is killed, which is an error.
pub(super) fn wait(child: &mut Child, limit: Duration) -> Result<Ended, Box<dyn Error>> {
    let ended = poll(limit, || {
        // The last look before it is reaped: its times are gone with it.
        let spent = spent(child.id());
        Ok(child.try_wait()?.map(|status| Ended { status, spent }))
    })?;
    match ended {
        Some(ended) => Ok(ended),
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

/// Runs `command` to its end and says what processor time it took; a failing exit code is an error.
pub(super) fn run(command: &mut Command, log: &Path, limit: Duration) -> Result<Duration, Box<dyn Error>> {
    let Ended { status, spent } = wait(&mut start(command, log)?, limit)?;
    if status.success() { Ok(spent) } else { Err(status.to_string().into()) }
}

/// Processor time of a process and of its children that ended.
fn spent(process: u32) -> Duration {
    let stat = i32::try_from(process).ok().and_then(|id| Process::new(id).ok()?.stat().ok());
    Duration::from_millis(stat.map_or(0, |stat| ticks(&stat)) * MILLISECONDS_OF_A_TICK)
}

/// Linux counts for programs in hundredths of a second, whatever its own clock.
const MILLISECONDS_OF_A_TICK: u64 = 10;

/// Ticks of the process and of its children, in user and in system.
fn ticks(stat: &Stat) -> u64 {
    stat.utime + stat.stime + stat.cutime.unsigned_abs() + stat.cstime.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfs::FromRead;

    #[test]
    fn the_times_of_a_process_are_read() {
        let read = |line: &str| Stat::from_read(line.as_bytes()).ok().map(|stat| ticks(&stat));
        let rest = " 0".repeat(30);
        let stat = format!("7 (a) b) S 1 7 7 0 -1 4194560 10 20 30 40 500 60 7 8 20 0 1 0 100{rest}");
        assert_eq!(read(&stat), Some(575));
        assert_eq!(read("7 (a) S 1"), None);
    }

    #[test]
    fn what_a_child_took_is_counted() {
        let script = "sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done'; true";
        let mut shell = Command::new("sh");
        let log = Path::new("/dev/null");
        let spent = run(shell.args(["-c", script]), log, Duration::from_secs(60)).unwrap();
        assert!(spent >= Duration::from_millis(50), "{spent:?}");
    }
}
