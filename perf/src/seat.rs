//! Which processors threads run on.

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::error::ClientError;

/// The calling thread.
const SELF: Pid = Pid::from_raw(0);

/// Processors that the thread with this id may run on; none if it is gone.
pub(crate) fn seats_of(thread: Pid) -> Vec<usize> {
    sched_getaffinity(thread).map(|set| listed(&set)).unwrap_or_default()
}

/// Processors that the calling thread may run on.
pub(crate) fn seats() -> Result<Vec<usize>, ClientError> {
    sched_getaffinity(SELF).map(|set| listed(&set)).map_err(failed)
}

/// The calling thread keeps to its processors until this is dropped.
pub(crate) struct Seated {
    before: CpuSet,
}

impl Seated {
    pub(crate) fn on(cpu: usize) -> Result<Seated, ClientError> {
        Seated::among(&[cpu])
    }

    /// On any of these processors; where it is, if there are none.
    pub(crate) fn among(cpus: &[usize]) -> Result<Seated, ClientError> {
        let before = sched_getaffinity(SELF).map_err(failed)?;
        let mut only = CpuSet::new();
        cpus.iter().try_for_each(|cpu| only.set(*cpu)).map_err(failed)?;
        let chosen = if cpus.is_empty() { &before } else { &only };
        sched_setaffinity(SELF, chosen).map_err(failed)?;
        Ok(Seated { before })
    }
}

impl Drop for Seated {
    fn drop(&mut self) {
        // Was allowed before; and a thread that stays where it is measures as well.
        let _ = sched_setaffinity(SELF, &self.before);
    }
}

fn listed(set: &CpuSet) -> Vec<usize> {
    (0..CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap_or(false)).collect()
}

fn failed(error: Errno) -> ClientError {
    ClientError::Io { what: "choosing a processor".to_owned(), error: error.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_is_given_back() -> Result<(), ClientError> {
        let before = seats()?;
        let last = *before.last().ok_or_else(|| ClientError::Usage("no processor".to_owned()))?;
        let seated = Seated::on(last)?;
        assert_eq!(seats()?, [last]);
        drop(seated);
        assert_eq!(seats()?, before);
        Ok(())
    }
}
