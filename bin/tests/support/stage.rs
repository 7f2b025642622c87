//! A broker that commands are run against, and what they say.

use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::broker::{Broker, PROGRAM, address};
use crate::directory::Directory;

/// A broker, and a place for the user's own files.
pub(crate) struct Stage {
    pub(crate) address: String,
    pub(crate) broker: Broker,
    pub(crate) directory: Directory,
}

/// What one run of a command came to.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    pub(crate) fn of(output: Output) -> Said {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Lines of a table, without its heading, as their words.
    pub(crate) fn rows(&self, heading: &str) -> Vec<Vec<&str>> {
        let mut lines = self.out.lines().skip_while(|line| !line.starts_with(heading));
        assert!(lines.next().is_some(), "no table of {heading} in {}; {}", self.out, self.err);
        lines.take_while(|line| !line.is_empty()).map(|line| line.split_whitespace().collect()).collect()
    }

    pub(crate) fn objects(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect()
    }
}

impl Stage {
    pub(crate) fn start(name: &str, settings: &[&str]) -> Stage {
        let directory = Directory::new(name);
        let mut broker = Broker::start(&directory, &arguments_of(settings), &[]);
        let address = address(&broker.json_until("listening"), "listening");
        Stage { address, broker, directory }
    }

    pub(crate) fn stop(self) {
        self.broker.terminate();
        self.broker.ended_well();
    }

    /// A command that says itself which broker it asks, if any.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).env("XDG_CONFIG_HOME", &self.directory.0).stdin(Stdio::null());
        command
    }

    pub(crate) fn said(&self, arguments: &[&str]) -> Said {
        Said::of(self.command(arguments).output().unwrap())
    }

    /// A command against the broker.
    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        self.said(&[arguments, &["--bootstrap", &self.address]].concat())
    }
}

/// Those of a broker with these settings.
pub(crate) fn arguments_of<'a>(settings: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["--log-format", "json"];
    settings.iter().for_each(|setting| arguments.extend(["--set", *setting]));
    arguments
}
