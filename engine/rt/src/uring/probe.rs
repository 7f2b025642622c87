//! What must hold before anything is opened: io_uring, descriptors, locked memory.

use std::{fmt, io};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::uring::ring;

/// What the machine allows this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Soft limit of open files, after it was raised to the hard limit.
    pub descriptors: u64,
    /// Memory that may be registered with a ring, in bytes.
    pub memlock_bytes: u64,
}

/// Why a broker cannot run here, and what to do about it.
#[derive(Debug)]
pub enum StartError {
    /// io_uring is missing, too old or forbidden.
    Ring(io::Error),
    /// The executor's own rings need this much locked memory.
    Memlock {
        allowed_bytes: u64,
        needed_bytes: u64,
    },
    Descriptors {
        allowed: u64,
        needed: u64,
    },
    Limits(io::Error),
}

/// glommio refuses to start below this.
const MEMLOCK_MIN_BYTES: u64 = 512 << 10;
/// Segments, connections and rings of the smallest useful broker.
const DESCRIPTORS_MIN: u64 = 256;

/// Checks the machine and raises the soft limit of open files to the hard one.
pub fn probe() -> Result<Capabilities, StartError> {
    drop(ring::build().map_err(StartError::Ring)?);
    let (memlock_bytes, _) = limit(Resource::RLIMIT_MEMLOCK)?;
    if memlock_bytes < MEMLOCK_MIN_BYTES {
        let needed_bytes = MEMLOCK_MIN_BYTES;
        return Err(StartError::Memlock { allowed_bytes: memlock_bytes, needed_bytes });
    }
    let descriptors = raise_descriptors()?;
    if descriptors < DESCRIPTORS_MIN {
        return Err(StartError::Descriptors { allowed: descriptors, needed: DESCRIPTORS_MIN });
    }
    Ok(Capabilities { descriptors, memlock_bytes })
}

fn limit(resource: Resource) -> Result<(u64, u64), StartError> {
    getrlimit(resource).map_err(|errno| StartError::Limits(errno.into()))
}

fn raise_descriptors() -> Result<u64, StartError> {
    let (soft, hard) = limit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_err(|errno| StartError::Limits(errno.into()))?;
    }
    limit(Resource::RLIMIT_NOFILE).map(|(soft, _)| soft)
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Ring(error) => write!(
                f,
                "io_uring cannot be used ({error}): it needs Linux 6.1 or later, sysctl \
                 kernel.io_uring_disabled=0, and a container profile that allows io_uring_setup"
            ),
            StartError::Memlock { allowed_bytes, needed_bytes } => write!(
                f,
                "only {allowed_bytes} bytes may be locked in memory, {needed_bytes} are needed: raise it with \
                 `ulimit -l`, LimitMEMLOCK= or --ulimit memlock=-1"
            ),
            StartError::Descriptors { allowed, needed } => write!(
                f,
                "only {allowed} files may be open, {needed} are needed: raise it with `ulimit -n` or LimitNOFILE="
            ),
            StartError::Limits(error) => {
                write!(f, "the limits of the process cannot be read or set: {error}")
            }
        }
    }
}

impl std::error::Error for StartError {}
