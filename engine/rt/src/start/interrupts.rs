//! Which processors take a disk's interrupts, by what the kernel says of its devices.
#![expect(clippy::disallowed_methods, reason = "looked at once, before the first shard runs")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::stat::{major, minor};

const DEVICES: &str = "/sys/dev/block";
const COUNTS: &str = "/proc/interrupts";
/// A processor that counted less than this part of what the busiest one did has little to do with the disk.
const QUIET_PART: u64 = 16;

/// Those of `cpus` that take hardly any of the interrupts of the disk that holds this directory: none, where
/// each of them has a queue of its own; all, where nothing is known of the disk.
pub(super) fn quiet_cpus(cpus: &[usize], directory: &Path) -> Vec<usize> {
    let counts = counts_of(directory).unwrap_or_default();
    quietest(cpus, &counts)
}

fn quietest(cpus: &[usize], counts: &[u64]) -> Vec<usize> {
    let count = |cpu: usize| counts.get(cpu).copied().unwrap_or(0);
    let most = cpus.iter().map(|cpu| count(*cpu)).max().unwrap_or(0);
    cpus.iter().copied().filter(|cpu| most == 0 || count(*cpu) < most / QUIET_PART).collect()
}

/// Interrupts so far, by processor.
fn counts_of(directory: &Path) -> Option<Vec<u64>> {
    // The directory may not be there yet.
    let there = directory.ancestors().find_map(|path| fs::metadata(path).ok())?;
    let device = Path::new(DEVICES).join(format!("{}:{}", major(there.dev()), minor(there.dev())));
    let mut interrupts = BTreeSet::new();
    collect(&fs::canonicalize(device).ok()?, &mut interrupts);
    Some(sum(&fs::read_to_string(COUNTS).ok()?, &interrupts))
}

/// Interrupts of a block device: those of the next device above it that has any,
/// or of the devices that it is made of.
fn collect(device: &Path, interrupts: &mut BTreeSet<u32>) {
    for part in names(&device.join("slaves")) {
        if let Ok(part) = fs::canonicalize(part) {
            collect(&part, interrupts);
        }
    }
    let own = device.ancestors().map(|above| names(&above.join("msi_irqs"))).find(|own| !own.is_empty());
    let number = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    interrupts.extend(own.iter().flatten().filter_map(number));
}

fn names(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect()
}

/// Adds up these interrupts of the table, whose first line names the processors that have a column.
fn sum(table: &str, interrupts: &BTreeSet<u32>) -> Vec<u64> {
    let mut lines = table.lines();
    let heads = lines.next().unwrap_or_default().split_whitespace();
    let cpus: Vec<usize> = heads.filter_map(|head| head.strip_prefix("CPU")?.parse().ok()).collect();
    let mut counts = vec![0; cpus.iter().max().map_or(0, |last| last + 1)];
    for line in lines {
        let Some((number, row)) = line.split_once(':') else { continue };
        if !number.trim().parse().is_ok_and(|number| interrupts.contains(&number)) {
            continue;
        }
        for (cpu, count) in cpus.iter().zip(row.split_whitespace()) {
            if let (Some(sum), Ok(count)) = (counts.get_mut(*cpu), count.parse::<u64>()) {
                *sum += count;
            }
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "           CPU0       CPU1       CPU3
  8:          7          0          0   IO-APIC   8-edge      rtc0
 35:          0          1          2   PCI-MSIX-0000:00:02.0   0-edge   virtio1-config
 36:          5   18075105          0   PCI-MSIX-0000:00:02.0   1-edge   virtio1-req.0
NMI:          1          2          3   Non-maskable interrupts
";

    #[test]
    fn interrupts_are_added_up_by_processor() {
        assert_eq!(sum(TABLE, &BTreeSet::from([35, 36])), [5, 18_075_106, 0, 2]);
        assert_eq!(sum(TABLE, &BTreeSet::from([8])), [7, 0, 0, 0]);
        assert_eq!(sum("", &BTreeSet::from([8])), [0; 0]);
    }

    #[test]
    fn processors_that_take_a_disks_interrupts_are_left_out() {
        let cases: [(&[u64], &[usize]); 6] = [
            (&[5, 18_075_106, 0, 2], &[0, 2, 3]),
            (&[900, 1_000, 1_100, 950], &[]),
            (&[0, 0, 0, 0], &[0, 1, 2, 3]),
            (&[], &[0, 1, 2, 3]),
            (&[0, 1_000, 1_000, 0], &[0, 3]),
            (&[1_600, 100, 99], &[2, 3]),
        ];
        for (counts, quiet) in cases {
            assert_eq!(quietest(&[0, 1, 2, 3], counts), quiet, "{counts:?}");
        }
        assert_eq!(quietest(&[1, 3], &[0, 1_000, 1_000, 0]), [3]);
    }

    #[test]
    fn an_unknown_disk_leaves_all_processors() {
        assert_eq!(quiet_cpus(&[0, 1], Path::new("/proc/self")), [0, 1]);
    }
}
