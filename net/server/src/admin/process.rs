//! What the kernel reports about this process.

use std::path::Path;

/// Ticks of `/proc/self/stat` in a second: Linux fixes it for programs.
const TICKS_PER_SECOND: f64 = 100.0;

/// The process at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ProcessStats {
    pub(crate) cpu_seconds: f64,
    pub(crate) resident_bytes: u64,
    pub(crate) open_descriptors: u64,
}

/// Reads a few files of the kernel. Values that cannot be read are 0. Called on the side thread,
/// which may block.
pub(crate) fn read() -> ProcessStats {
    ProcessStats {
        cpu_seconds: read_text("/proc/self/stat").and_then(|text| cpu_seconds(&text)).unwrap_or(0.0),
        resident_bytes: read_text("/proc/self/status").and_then(|text| resident_bytes(&text)).unwrap_or(0),
        open_descriptors: descriptors(),
    }
}

fn read_text(path: impl AsRef<Path>) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "a file of the kernel, read by the side thread")]
    std::fs::read_to_string(path).ok()
}

fn descriptors() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a directory of the kernel, read by the side thread")]
    let entries = std::fs::read_dir("/proc/self/fd");
    entries.map_or(0, |entries| entries.count() as u64)
}

/// User and system time: the 12th and 13th field behind the name, which may hold blanks and brackets.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks = |place: usize| fields.split_ascii_whitespace().nth(place)?.parse::<u64>().ok();
    Some((ticks(11)? + ticks(12)?) as f64 / TICKS_PER_SECOND)
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_read() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(resident_bytes("VmHWM:\t 9 kB\nVmRSS:\t    2048 kB\n"), Some(2 << 20));
        let own = read();
        assert!(own.resident_bytes > 1 << 20 && own.open_descriptors >= 3, "{own:?}");
    }
}
