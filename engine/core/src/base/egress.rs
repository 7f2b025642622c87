//! How much of a shard's memory for answers the next fetch may take,
//! so that readers that take nothing cannot hold it all.

/// A fetch takes at most this part of what the others left: however many readers stall,
/// something is left for one more.
const PART_OF_FREE: u64 = 4;

/// Fetches are cut to no less than this, a page of the read cache;
/// where that is too much they shrink to one batch.
const CUT_BYTES_MIN: u64 = 256 * 1024;

/// Of a small budget they are cut to this part of what fetches share:
/// it takes more than one reader to make it short.
const CUT_PART_MIN: u64 = 32;

/// What a fetch that shrank to one batch may bring: several small batches, or a larger one alone.
pub const SINGLE_BYTES: u64 = 64 * 1024;

/// Of the budget, what only fetches of one batch may take: behind readers that stall with large answers there
/// is room for hundreds of small ones.
const SINGLE_PART: u64 = 2;

/// Other answers, whose size is known only when they are made,
/// begin until the budget is exceeded by this part of it.
const OTHERS_PART: u64 = 4;

/// The least a shard grants to answers: what is cut is never less than what has shrunk.
pub const EGRESS_BYTES_MIN: u64 = SINGLE_BYTES * CUT_PART_MIN * SINGLE_PART;

/// What a fetch may bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EgressGrant {
    /// Bytes of records; the first batch comes even if it is larger.
    pub bytes: u64,
    pub kind: GrantKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantKind {
    /// All that was asked for.
    Whole,
    /// A part of it, since others hold the rest.
    Cut,
    /// About one batch.
    Single,
}

/// What the next fetch may take of a budget of `bytes_max`, of which `in_use` are taken;
/// nothing where it has to wait.
pub fn egress_grant(bytes_max: u64, in_use: u64, wanted: u64) -> Option<EgressGrant> {
    let part = shared_free(bytes_max, in_use) / PART_OF_FREE;
    if wanted <= part {
        Some(EgressGrant { bytes: wanted, kind: GrantKind::Whole })
    } else if part >= cut_bytes_min(bytes_max) {
        Some(EgressGrant { bytes: part, kind: GrantKind::Cut })
    } else if in_use.saturating_add(SINGLE_BYTES) <= bytes_max {
        Some(EgressGrant { bytes: wanted.min(SINGLE_BYTES), kind: GrantKind::Single })
    } else {
        None
    }
}

/// Whether fetches shrink to one batch: readers that take nothing are then in the way of others.
pub fn egress_is_short(bytes_max: u64, in_use: u64) -> bool {
    shared_free(bytes_max, in_use) / PART_OF_FREE < cut_bytes_min(bytes_max)
}

/// Whether a request other than a fetch may begin.
pub fn egress_admits_others(bytes_max: u64, in_use: u64) -> bool {
    in_use < bytes_max + bytes_max / OTHERS_PART
}

/// What all fetches share, however large.
fn shared(bytes_max: u64) -> u64 {
    bytes_max - bytes_max / SINGLE_PART
}

fn shared_free(bytes_max: u64, in_use: u64) -> u64 {
    shared(bytes_max).saturating_sub(in_use)
}

fn cut_bytes_min(bytes_max: u64) -> u64 {
    CUT_BYTES_MIN.min(shared(bytes_max) / CUT_PART_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn what_a_fetch_may_take() {
        let grant = |bytes, kind| Some(EgressGrant { bytes, kind });
        for (in_use, wanted, expected) in [
            (0, MIB, grant(MIB, GrantKind::Whole)),
            (0, 2 * MIB, grant(2 * MIB, GrantKind::Whole)),
            (0, 50 * MIB, grant(2 * MIB, GrantKind::Cut)),
            (4 * MIB, 50 * MIB, grant(MIB, GrantKind::Cut)),
            (7 * MIB, 50 * MIB, grant(256 << 10, GrantKind::Cut)),
            (7 * MIB + 1, 50 * MIB, grant(64 << 10, GrantKind::Single)),
            (7 * MIB + 1, 100, grant(100, GrantKind::Whole)),
            (9 * MIB, 100, grant(100, GrantKind::Single)),
            (9 * MIB, 0, grant(0, GrantKind::Whole)),
            (16 * MIB - SINGLE_BYTES, MIB, grant(64 << 10, GrantKind::Single)),
            (16 * MIB - SINGLE_BYTES + 1, MIB, None),
            (u64::MAX, MIB, None),
        ] {
            assert_eq!(egress_grant(16 * MIB, in_use, wanted), expected, "{in_use} in use, {wanted} wanted");
        }
    }

    /// Readers that ask for all and take nothing leave room for a fetch of one batch, hundreds of them.
    #[test]
    fn stalled_readers_leave_room() {
        let mut in_use = 0;
        let mut readers = 0;
        while let Some(grant) = egress_grant(16 * MIB, in_use, 24 * MIB) {
            in_use += grant.bytes;
            readers += 1;
        }
        assert!(readers > 100, "{readers} readers");
        assert!(in_use <= 16 * MIB);
    }

    #[test]
    fn pressure_begins_where_fetches_shrink_to_a_batch() {
        for in_use in (0..20 * MIB).step_by(100_000) {
            let whole_or_cut =
                egress_grant(16 * MIB, in_use, 24 * MIB).is_some_and(|grant| grant.kind != GrantKind::Single);
            assert_eq!(egress_is_short(16 * MIB, in_use), !whole_or_cut, "{in_use} in use");
        }
        let mut in_use = 0;
        for reader in 0..5 {
            assert!(!egress_is_short(EGRESS_BYTES_MIN, in_use), "{reader} readers stall");
            in_use += egress_grant(EGRESS_BYTES_MIN, in_use, u64::MAX).map_or(0, |grant| grant.bytes);
        }
        assert!(egress_admits_others(16 * MIB, 16 * MIB) && !egress_admits_others(16 * MIB, 20 * MIB));
    }
}
