//! What this machine, or the control group the process is in, has to give.

use std::path::Path;

/// Processors that the process may use.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The smaller of the machine's memory and the control groups' limits.
pub(crate) fn memory_bytes() -> u64 {
    let machine = read("/proc/meminfo").and_then(|text| memory_total(&text)).unwrap_or(MEMORY_UNKNOWN);
    let groups = read("/proc/self/cgroup").map_or_else(Vec::new, |text| limit_files(&text));
    let limits = groups.iter().filter_map(|path| read(path)?.trim().parse::<u64>().ok());
    limits.fold(machine, u64::min)
}

/// Assumed where the kernel does not say.
const MEMORY_UNKNOWN: u64 = 1 << 30;

fn read(path: impl AsRef<Path>) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "files of the kernel, read before any shard runs")]
    std::fs::read_to_string(path).ok()
}

fn memory_total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// Limits of the process's own group and of all above it (version 2), or of its memory group (version 1).
fn limit_files(cgroup: &str) -> Vec<String> {
    let mut files = Vec::new();
    for line in cgroup.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let groups = Path::new(path).ancestors().map(|group| group.to_string_lossy().into_owned());
        files.extend(groups.map(|group| format!("{root}{}/{file}", group.trim_end_matches('/'))));
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_kernels_words() {
        assert_eq!(memory_total("MemFree: 1 kB\nMemTotal:       2048 kB\n"), Some(2 << 20));
        assert_eq!(memory_total("MemFree: 1 kB\n"), None);
        let two = limit_files("0::/system.slice/a.service\n");
        assert_eq!(
            two,
            [
                "/sys/fs/cgroup/system.slice/a.service/memory.max",
                "/sys/fs/cgroup/system.slice/memory.max",
                "/sys/fs/cgroup/memory.max",
            ]
        );
        let one = limit_files("3:cpu,memory:/a\n2:pids:/b\n");
        assert_eq!(
            one,
            ["/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.limit_in_bytes",]
        );
    }
}
