//! Where the brokers of a run keep their journal rings: a directory in shared memory that goes with the run.
//! A broker that is killed leaves its ring behind for the next start.

use std::path::{Path, PathBuf};

use crate::disk;

const SHARED_MEMORY: &str = "/dev/shm";

/// Removed when dropped, after the brokers.
#[derive(Debug)]
pub(crate) struct Rings {
    dir: Option<PathBuf>,
}

impl Rings {
    /// Where there is no such file system, brokers choose for themselves.
    pub(crate) fn new() -> Rings {
        let dir = Path::new(SHARED_MEMORY).join(format!("millrace-perf-{}", std::process::id()));
        Rings {
            dir: Path::new(SHARED_MEMORY).is_dir().then_some(dir).filter(|dir| disk::create_dir(dir).is_ok()),
        }
    }

    /// What a broker is told.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let setting = |dir: &PathBuf| format!("millrace.shm.dir={}", dir.display());
        let setting = self.dir.as_ref().map(setting);
        setting.into_iter().flat_map(|setting| ["--set".to_owned(), setting]).collect()
    }
}

impl Drop for Rings {
    fn drop(&mut self) {
        let _left_behind = self.dir.as_deref().map(disk::remove_dir);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_of_rings_goes_with_its_run() {
        let rings = Rings::new();
        let Some(dir) = rings.dir.clone() else { return assert!(rings.arguments().is_empty()) };
        assert!(dir.is_dir());
        assert_eq!(rings.arguments(), ["--set".to_owned(), format!("millrace.shm.dir={}", dir.display())]);
        drop(rings);
        assert!(!dir.exists());
    }
}
