//! How many members of a consumer group go on with the classic protocol, and what all of these offer.

use crate::coord::classic::ProtocolCounts;
use crate::coord::kip848::ClassicMetadata;
use crate::coord::request::Protocol;

/// Counts of one group; nothing of members of the consumer protocol.
#[derive(Debug, Clone, Default)]
pub(in crate::coord::consumer) struct ClassicMembers {
    count: usize,
    protocols: ProtocolCounts,
}

impl ClassicMembers {
    pub(in crate::coord::consumer) fn add(&mut self, member: Option<&ClassicMetadata>) {
        if let Some(member) = member {
            self.count += 1;
            self.protocols.add(&member.protocols);
        }
    }

    pub(in crate::coord::consumer) fn remove(&mut self, member: Option<&ClassicMetadata>) {
        if let Some(member) = member {
            self.count -= 1;
            self.protocols.remove(&member.protocols);
        }
    }

    /// Whether they could be a classic group.
    pub(in crate::coord::consumer) fn has_common_protocol(&self) -> bool {
        self.protocols.is_any_common(self.count)
    }

    pub(in crate::coord::consumer) fn len(&self) -> usize {
        self.count
    }

    /// Whether a member that offers `protocols` can be in a classic group with all of these,
    /// should it come to that.
    pub(in crate::coord::consumer) fn supports(&self, protocols: &[Protocol]) -> bool {
        match self.count {
            0 => !protocols.is_empty(),
            count => self.protocols.has_common(protocols, count),
        }
    }
}
