//! Processes that a step left behind: they become children of this process, are named as a failure, and
//! killed. Steps run beside one another: a process carries the name of its step in its environment.

use super::process::poll;
use nix::errno::Errno;
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use procfs::process::{Process, all_processes};
use std::error::Error;
use std::ffi::OsStr;
use std::time::Duration;

/// What a step's processes inherit: whose they are.
pub(super) const MARK: &str = "MILLRACE_CI_STEP";

/// Which children of this process are meant.
#[derive(Clone, Copy)]
pub(super) enum Whose<'a> {
    /// Those that carry the step's name.
    Step(&'a str),
    /// Those that are left when no step runs: they cleared their environment.
    Nobody,
}

impl Whose<'_> {
    /// A process that ended meanwhile is nobody's.
    fn owns(self, process: &Process) -> bool {
        let Ok(environment) = process.environ() else { return false };
        match self {
            Whose::Step(name) => environment.get(OsStr::new(MARK)).is_some_and(|step| step == name),
            Whose::Nobody => true,
        }
    }
}

/// A process that was told to end may take a moment.
const GRACE: Duration = Duration::from_secs(3);

/// From now on, orphans of what this process starts become its children.
pub(super) fn adopt_orphans() -> Result<(), Errno> {
    set_child_subreaper(true)
}

/// Waits a moment for the last of these children to end; kills those that do not, and gives their names.
pub(super) fn end_leftovers(whose: Whose) -> Result<Vec<String>, Box<dyn Error>> {
    let gone = poll(GRACE, || Ok(living_children(whose)?.is_empty().then_some(())))?;
    let mut names = Vec::new();
    // Killing a process makes its own children ours.
    while gone.is_none() {
        let children = living_children(whose)?;
        if children.is_empty() {
            break;
        }
        for (child, name) in children {
            names.push(format!("{child} {name}"));
            kill(child, Signal::SIGKILL)?;
            waitpid(child, None)?;
        }
    }
    Ok(names)
}

/// Children that have not ended. Ended ones stay for who waits for them, or until this process ends.
fn living_children(whose: Whose) -> Result<Vec<(Pid, String)>, Box<dyn Error>> {
    let mut living = Vec::new();
    // A process may end while its neighbours are read.
    for process in all_processes()?.flatten() {
        let Ok(stat) = process.stat() else { continue };
        let lives = stat.ppid == Pid::this().as_raw() && stat.state != 'Z';
        if lives && whose.owns(&process) {
            living.push((Pid::from_raw(process.pid), stat.comm));
        }
    }
    Ok(living)
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfs::FromRead;
    use procfs::process::Stat;
    use std::process::Command;

    /// Set in the process that the test starts for itself: the children of this one belong to other tests.
    const ALONE: &str = "MILLRACE_LEFTOVERS_ALONE";

    #[test]
    fn orphans_are_named_and_ended() {
        if std::env::var_os(ALONE).is_none() {
            let mut alone = Command::new(std::env::current_exe().unwrap());
            alone.args(["--exact", "ci::leftovers::tests::orphans_are_named_and_ended"]).env(ALONE, "1");
            assert!(alone.status().unwrap().success());
            return;
        }
        adopt_orphans().unwrap();
        for step in ["one", "other"] {
            let mut parent = Command::new("sh");
            parent.args(["-c", "sleep 100 & env -i sleep 101 &"]).env(MARK, step);
            assert!(parent.status().unwrap().success());
        }
        // `one` has left one that says so; the rest are the other's, and two that say nothing.
        for (whose, count) in [(Whose::Step("one"), 1), (Whose::Nobody, 3)] {
            let names = end_leftovers(whose).unwrap();
            assert_eq!(names.iter().filter(|name| name.ends_with(" sleep")).count(), count, "{names:?}");
            assert!(end_leftovers(whose).unwrap().is_empty());
        }
    }

    #[test]
    fn a_line_of_stat_is_read() {
        let read = |line: &str| Stat::from_read(line.as_bytes()).ok();
        let stat = read(&format!("12 (a (b) c) S 7 12{}", " 0".repeat(46))).unwrap();
        assert_eq!((stat.comm.as_str(), stat.state, stat.ppid), ("a (b) c", 'S', 7));
        assert!(read("12").is_none());
    }
}
