//! Kinds of resources that have a configuration, as requests about configs number them.

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

    pub(crate) fn code(self) -> i8 {
        match self {
            ConfigKind::Topic => 2,
            ConfigKind::Broker => 4,
            ConfigKind::BrokerLogger => 8,
            ConfigKind::ClientMetrics => 16,
            ConfigKind::Group => 32,
        }
    }
}
