//! `millrace consume --group` as a process of its own, and what it has printed so far.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::broker::{self, PROGRAM};

/// Long enough for a machine that does something else, too.
const PATIENCE: Duration = Duration::from_secs(60);

/// Killed with the test if the test does not end it.
pub(crate) struct Reader {
    pub(crate) child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Reader {
    /// Takes its lines as they come.
    pub(crate) fn start(address: &str, arguments: &[&str]) -> Reader {
        let mut reader = Reader::unread(address, arguments);
        let (out, lines) = (reader.child.stdout.take().unwrap(), Arc::clone(&reader.lines));
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                lines.lock().unwrap().push(line);
            }
        });
        reader
    }

    /// Nobody takes its lines.
    pub(crate) fn unread(address: &str, arguments: &[&str]) -> Reader {
        let mut command = Command::new(PROGRAM);
        command.arg("consume").args(arguments).args(["--bootstrap", address]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Reader { child: command.spawn().unwrap(), lines: Arc::default() }
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    pub(crate) fn signal(&self, name: &str) {
        broker::signal(&self.child, name);
    }

    /// Exit code and what it complained of.
    pub(crate) fn ended(&mut self) -> (Option<i32>, String) {
        eventually("the reader ends", || self.child.try_wait().unwrap().is_some());
        let mut complaints = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut complaints).unwrap();
        (self.child.wait().unwrap().code(), complaints)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
