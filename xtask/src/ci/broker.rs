//! A broker of the release build on a free port of the loopback, for the steps that need one beside them.

use super::process::{Ended, poll, start, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::error::Error;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

const START_MAX: Duration = Duration::from_secs(60);
const STOP_MAX: Duration = Duration::from_secs(60);
const HOST: &str = "127.0.0.1";

/// A running broker; killed when dropped without `stop`.
pub(super) struct Broker {
    child: Child,
    /// Where it listens.
    pub(super) address: String,
}

impl Broker {
    /// Starts `command` with a data folder and a port of its own, and waits until it says where it listens.
    pub(super) fn start(command: &mut Command, data: &Path, log: &Path) -> Result<Broker, Box<dyn Error>> {
        command.arg("--data-dir").arg(data).args(["--listen", &format!("{HOST}:0")]);
        let mut broker = Broker { child: start(command, log)?, address: String::new() };
        let address = poll(START_MAX, || broker.announced(log))?;
        broker.address = address.ok_or("the broker does not say where it listens")?;
        Ok(broker)
    }

    #[expect(clippy::disallowed_methods, reason = "a development command reads the log of what it started")]
    fn announced(&mut self, log: &Path) -> Result<Option<String>, Box<dyn Error>> {
        if let Some(status) = self.child.try_wait()? {
            return Err(format!("the broker ended while it was starting: {status}").into());
        }
        Ok(listening_address(&std::fs::read_to_string(log)?))
    }

    /// SIGTERM, and the processor time that it took; anything but exit code 0 is an error.
    pub(super) fn stop(mut self) -> Result<Duration, Box<dyn Error>> {
        kill(Pid::from_raw(i32::try_from(self.child.id())?), Signal::SIGTERM)?;
        let Ended { status, spent } = wait(&mut self.child, STOP_MAX)?;
        if status.success() { Ok(spent) } else { Err(format!("the broker stopped with {status}").into()) }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Both fail only when the broker has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first address of a line that says `listen`, once it has a real port.
fn listening_address(log: &str) -> Option<String> {
    let lines = log.lines().filter(|line| line.contains("listen"));
    lines.flat_map(|line| line.split(HOST).skip(1)).find_map(|rest| {
        let digits: String = rest.strip_prefix(':')?.chars().take_while(char::is_ascii_digit).collect();
        (!digits.is_empty() && digits != "0").then(|| format!("{HOST}:{digits}"))
    })
}

#[cfg(test)]
mod tests {
    use super::listening_address;

    #[test]
    fn the_address_is_found() {
        let cases = [
            ("Millrace listens on 127.0.0.1:9092.", Some("127.0.0.1:9092")),
            (
                "INFO listening listener=PLAINTEXT \u{1b}[3maddress\u{1b}[0m=127.0.0.1:31",
                Some("127.0.0.1:31"),
            ),
            ("INFO starting listeners=127.0.0.1:0\nlistening on 127.0.0.1:7 now", Some("127.0.0.1:7")),
            ("INFO starting 127.0.0.1:9", None),
        ];
        for (log, address) in cases {
            assert_eq!(listening_address(log).as_deref(), address, "{log}");
        }
    }
}
