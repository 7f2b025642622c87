//! Kinds of resources that have a configuration, as DescribeConfigs and both ways to alter configs number them.

/// Kinds of resources that have a configuration (`ConfigResource.Type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConfigKind {
    Topic,
    Broker,
    BrokerLogger,
    ClientMetrics,
    Group,
}

impl ConfigKind {
    pub(crate) fn from_code(code: i8) -> Option<ConfigKind> {
        match code {
            2 => Some(ConfigKind::Topic),
            4 => Some(ConfigKind::Broker),
            8 => Some(ConfigKind::BrokerLogger),
            16 => Some(ConfigKind::ClientMetrics),
            32 => Some(ConfigKind::Group),
            _ => None,
        }
    }
}
