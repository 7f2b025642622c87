//! Which groups with members may change between the protocols.

/// `group.consumer.migration.policy`. Groups without members change whatever it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MigrationPolicy {
    Disabled,
    /// From the classic to the consumer protocol.
    Upgrade,
    /// From the consumer to the classic protocol.
    Downgrade,
    Bidirectional,
}

impl MigrationPolicy {
    /// The policy of a name, in any case; the configuration has checked it,
    /// and Kafka's default stands for no name.
    pub fn of_name(name: &str) -> MigrationPolicy {
        match name.trim().to_ascii_lowercase().as_str() {
            "disabled" => MigrationPolicy::Disabled,
            "upgrade" => MigrationPolicy::Upgrade,
            "downgrade" => MigrationPolicy::Downgrade,
            _ => MigrationPolicy::Bidirectional,
        }
    }

    pub(in crate::coord) fn has_upgrades(self) -> bool {
        matches!(self, MigrationPolicy::Upgrade | MigrationPolicy::Bidirectional)
    }

    pub(in crate::coord) fn has_downgrades(self) -> bool {
        matches!(self, MigrationPolicy::Downgrade | MigrationPolicy::Bidirectional)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_any_case() {
        let cases = [
            ("DISABLED", MigrationPolicy::Disabled, (false, false)),
            ("upgrade", MigrationPolicy::Upgrade, (true, false)),
            ("Downgrade", MigrationPolicy::Downgrade, (false, true)),
            (" bidirectional ", MigrationPolicy::Bidirectional, (true, true)),
            ("", MigrationPolicy::Bidirectional, (true, true)),
        ];
        for (name, policy, ways) in cases {
            assert_eq!(MigrationPolicy::of_name(name), policy, "{name}");
            assert_eq!((policy.has_upgrades(), policy.has_downgrades()), ways, "{name}");
        }
    }
}
