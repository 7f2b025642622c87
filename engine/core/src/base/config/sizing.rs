//! What a broker takes of its machine where nothing says how much.

/// Shards on a machine with so many processors: one on one or two, and from there on one processor is left to
/// the kernel's workers, which complete the commits.
pub fn default_shards(processors: usize) -> u16 {
    let shards = processors.saturating_sub(1).clamp(1, SHARDS_MAX);
    u16::try_from(shards).unwrap_or(u16::MAX)
}

/// Most shards of one process; `millrace.shards` takes no more either.
const SHARDS_MAX: usize = 256;

/// Memory on a machine, or in a control group, with so much: 60 %. The cache replaces the kernel's, so that
/// there is no use in leaving more.
pub fn default_memory_bytes(machine_bytes: u64) -> u64 {
    machine_bytes / 10 * 6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_processor_is_left_to_the_kernel() {
        let cases = [(0, 1), (1, 1), (2, 1), (3, 2), (4, 3), (64, 63), (1024, 256)];
        for (processors, shards) in cases {
            assert_eq!(default_shards(processors), shards, "{processors}");
        }
        assert_eq!(default_memory_bytes(1000), 600);
    }
}
