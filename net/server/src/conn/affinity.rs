//! Decides when a connection should move to the shard that has its data. A pure state machine.

use millrace_core::base::ShardIndex;

/// The number of produce and fetch requests that decide a move. A client that walks its partitions in turn
/// stays, and a busy one moves within milliseconds.
const WINDOW: usize = 64;

/// This many requests of the window must belong to the same shard.
const WANTED: usize = 56;

const _: () = assert!(WANTED * 8 == WINDOW * 7);

/// Where the data of a connection's latest requests live. Driven by the connection:
/// one note per produce or fetch.
#[derive(Debug, Default)]
pub(crate) struct Affinity {
    /// The owner of the window's first request. Each other request agrees with it or counts against it.
    candidate: Option<ShardIndex>,
    hits: usize,
    misses: usize,
}

impl Affinity {
    /// Notes a request whose data all belong to `owner`, or `None` if several shards have them.
    pub(crate) fn note(&mut self, owner: Option<ShardIndex>) {
        if self.hits + self.misses >= WINDOW {
            *self = Affinity::default();
        }
        if owner.is_some() && owner == self.candidate {
            self.hits += 1;
            return;
        }
        self.misses += 1;
        if self.candidate.is_none() || self.misses > WINDOW - WANTED {
            *self = Affinity { candidate: owner, hits: usize::from(owner.is_some()), misses: 0 };
        }
    }

    /// Returns the shard to move to from `home`, once enough requests agree.
    pub(crate) fn verdict(&self, home: ShardIndex) -> Option<ShardIndex> {
        self.candidate.filter(|candidate| self.hits >= WANTED && *candidate != home)
    }
}

/// Returns the owner of all partitions of a request, if there is only one.
pub(crate) fn sole_owner(owners: impl IntoIterator<Item = ShardIndex>) -> Option<ShardIndex> {
    let mut owners = owners.into_iter();
    let first = owners.next()?;
    owners.all(|owner| owner == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Owners as text, one character a request: a digit is a shard, `-` a spread request.
    /// Expects the first verdict.
    fn check(requests: &str, verdict: Option<u16>) {
        let mut affinity = Affinity::default();
        let first = requests.chars().find_map(|request| {
            affinity.note(request.to_digit(10).map(|shard| ShardIndex(shard as u16)));
            affinity.verdict(ShardIndex(0))
        });
        assert_eq!(first, verdict.map(ShardIndex), "{requests}");
    }

    #[test]
    fn a_connection_moves_only_for_nearly_all_of_its_requests() {
        check("", None);
        check(&"1".repeat(55), None);
        check(&"1".repeat(56), Some(1));
        check(&"0".repeat(64), None);
        check(&format!("{}{}", "22222222", "1".repeat(65)), Some(1));
        check(&format!("{}{}", "1".repeat(60), "----"), Some(1));
        check(&"1111111-".repeat(8), Some(1));
        check(&"12".repeat(64), None);
        check(&"-".repeat(100), None);
        check(&format!("{}{}", "12".repeat(32), "2".repeat(120)), Some(2));
    }

    #[test]
    fn a_request_has_a_sole_owner_or_none() {
        for (owners, sole) in [(vec![], None), (vec![3, 3], Some(3)), (vec![3, 2, 3], None)] {
            assert_eq!(sole_owner(owners.into_iter().map(ShardIndex)), sole.map(ShardIndex));
        }
    }
}
