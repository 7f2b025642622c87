//! Client quotas: whose they are, what they limit, and which of them a client is held to.
//!
//! Entities, keys and their precedence are Kafka's (`ClientQuotaEntity`,
//! `QuotaConfig`, `DefaultQuotaCallback`).

use std::collections::BTreeMap;
use std::fmt;

/// Whom a part of an entity names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum QuotaName {
    /// Everybody who is not named.
    Default,
    Named(String),
}

impl QuotaName {
    /// A null name is everybody's.
    pub fn from_wire(name: Option<String>) -> QuotaName {
        name.map_or(QuotaName::Default, QuotaName::Named)
    }

    /// The name; `None` is everybody.
    pub fn named(&self) -> Option<&str> {
        match self {
            QuotaName::Default => None,
            QuotaName::Named(name) => Some(name),
        }
    }
}

/// Whom quotas are set for: a user, a client id, both together, or an address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct QuotaEntity {
    pub client_id: Option<QuotaName>,
    pub user: Option<QuotaName>,
    pub ip: Option<QuotaName>,
}

impl QuotaEntity {
    /// The parts that an entity may have, in the order in which Kafka names them.
    pub const KINDS: [EntityKind; 3] = [EntityKind::ClientId, EntityKind::User, EntityKind::Ip];

    pub fn part(&self, kind: EntityKind) -> Option<&QuotaName> {
        match kind {
            EntityKind::ClientId => self.client_id.as_ref(),
            EntityKind::User => self.user.as_ref(),
            EntityKind::Ip => self.ip.as_ref(),
        }
    }

    /// Replaces a part.
    pub fn with(mut self, kind: EntityKind, name: QuotaName) -> QuotaEntity {
        let part = match kind {
            EntityKind::ClientId => &mut self.client_id,
            EntityKind::User => &mut self.user,
            EntityKind::Ip => &mut self.ip,
        };
        *part = Some(name);
        self
    }

    /// Its parts in Kafka's order.
    pub fn parts(&self) -> impl Iterator<Item = (EntityKind, &QuotaName)> {
        QuotaEntity::KINDS.into_iter().filter_map(|kind| Some((kind, self.part(kind)?)))
    }
}

/// A kind of part of an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntityKind {
    ClientId,
    User,
    Ip,
}

impl EntityKind {
    pub fn name(self) -> &'static str {
        match self {
            EntityKind::ClientId => "client-id",
            EntityKind::User => "user",
            EntityKind::Ip => "ip",
        }
    }

    pub fn from_name(name: &str) -> Option<EntityKind> {
        QuotaEntity::KINDS.into_iter().find(|kind| kind.name() == name)
    }
}

/// What a quota limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum QuotaKey {
    /// Bytes of produce requests in a second.
    ProducerByteRate,
    /// Bytes of answers to fetches in a second.
    ConsumerByteRate,
    /// Percent of a second that requests may take of a shard's thread.
    RequestPercentage,
    /// Partitions created and deleted in a second (KIP-599).
    ControllerMutationRate,
    /// Connections from an address in a second (KIP-612).
    ConnectionCreationRate,
}

impl QuotaKey {
    pub const ALL: [QuotaKey; 5] = [
        QuotaKey::ProducerByteRate,
        QuotaKey::ConsumerByteRate,
        QuotaKey::RequestPercentage,
        QuotaKey::ControllerMutationRate,
        QuotaKey::ConnectionCreationRate,
    ];

    pub fn name(self) -> &'static str {
        match self {
            QuotaKey::ProducerByteRate => "producer_byte_rate",
            QuotaKey::ConsumerByteRate => "consumer_byte_rate",
            QuotaKey::RequestPercentage => "request_percentage",
            QuotaKey::ControllerMutationRate => "controller_mutation_rate",
            QuotaKey::ConnectionCreationRate => "connection_creation_rate",
        }
    }

    pub fn from_name(name: &str) -> Option<QuotaKey> {
        QuotaKey::ALL.into_iter().find(|key| key.name() == name)
    }

    /// Whether it limits addresses; the others limit users and client ids.
    pub fn is_of_addresses(self) -> bool {
        self == QuotaKey::ConnectionCreationRate
    }
}

/// What a key is set to. Two are the same when their bits are, as with Java's `Double`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct QuotaValue(u64);

impl QuotaValue {
    pub fn new(value: f64) -> QuotaValue {
        QuotaValue(value.to_bits())
    }

    pub fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl fmt::Debug for QuotaValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// Among whom a quota is shared: all that have these names in common count together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum QuotaScope {
    UserAndClient,
    User,
    ClientId,
}

/// What a client is held to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FoundQuota {
    pub scope: QuotaScope,
    pub value: f64,
}

/// The keys that are set for one entity; never empty in [`ClientQuotas`].
pub type QuotaValues = BTreeMap<QuotaKey, QuotaValue>;

/// All client quotas of the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientQuotas {
    entities: BTreeMap<QuotaEntity, QuotaValues>,
}

impl ClientQuotas {
    /// Sets a key, or takes it away.
    pub(super) fn set(&mut self, entity: &QuotaEntity, key: QuotaKey, value: Option<QuotaValue>) {
        match value {
            Some(value) => drop(self.entities.entry(entity.clone()).or_default().insert(key, value)),
            None => {
                let Some(values) = self.entities.get_mut(entity) else { return };
                values.remove(&key);
                if values.is_empty() {
                    self.entities.remove(entity);
                }
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.entities.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&QuotaEntity, &QuotaValues)> {
        self.entities.iter()
    }

    pub fn get(&self, entity: &QuotaEntity, key: QuotaKey) -> Option<QuotaValue> {
        self.entities.get(entity)?.get(&key).copied()
    }

    /// What a user with a client id is held to: of the entities that have the key the most particular one
    /// decides.
    pub fn of_client(&self, key: QuotaKey, user: &str, client_id: &str) -> Option<FoundQuota> {
        let user = || QuotaName::Named(user.to_owned());
        let client = || QuotaName::Named(client_id.to_owned());
        let everybody = || QuotaName::Default;
        let levels: [(QuotaScope, Option<QuotaName>, Option<QuotaName>); 8] = [
            (QuotaScope::UserAndClient, Some(user()), Some(client())),
            (QuotaScope::UserAndClient, Some(user()), Some(everybody())),
            (QuotaScope::User, Some(user()), None),
            (QuotaScope::UserAndClient, Some(everybody()), Some(client())),
            (QuotaScope::UserAndClient, Some(everybody()), Some(everybody())),
            (QuotaScope::User, Some(everybody()), None),
            (QuotaScope::ClientId, None, Some(client())),
            (QuotaScope::ClientId, None, Some(everybody())),
        ];
        levels.into_iter().find_map(|(scope, user, client_id)| {
            let value = self.get(&QuotaEntity { client_id, user, ip: None }, key)?;
            Some(FoundQuota { scope, value: value.get() })
        })
    }

    /// Names of addresses that have a rate of connections of their own.
    pub fn hosts(&self) -> impl Iterator<Item = (&str, f64)> {
        self.entities.iter().filter_map(|(entity, values)| {
            let host = entity.ip.as_ref()?.named()?;
            Some((host, values.get(&QuotaKey::ConnectionCreationRate)?.get()))
        })
    }

    /// The rate of connections of every address that is not named.
    pub fn of_other_addresses(&self) -> Option<f64> {
        let everybody = QuotaEntity::default().with(EntityKind::Ip, QuotaName::Default);
        self.get(&everybody, QuotaKey::ConnectionCreationRate).map(QuotaValue::get)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `user/client`, `*` for everybody and `-` for no such part.
    fn entity(text: &str) -> QuotaEntity {
        let part = |text: &str| match text {
            "-" => None,
            "*" => Some(QuotaName::Default),
            name => Some(QuotaName::Named(name.to_owned())),
        };
        let (user, client_id) = text.split_once('/').expect("two parts");
        QuotaEntity { client_id: part(client_id), user: part(user), ip: None }
    }

    /// Entities from the most particular to the least, and what is left when the first ones are taken away.
    #[test]
    fn the_most_particular_entity_decides() {
        const LEVELS: [(&str, QuotaScope); 8] = [
            ("ann/app", QuotaScope::UserAndClient),
            ("ann/*", QuotaScope::UserAndClient),
            ("ann/-", QuotaScope::User),
            ("*/app", QuotaScope::UserAndClient),
            ("*/*", QuotaScope::UserAndClient),
            ("*/-", QuotaScope::User),
            ("-/app", QuotaScope::ClientId),
            ("-/*", QuotaScope::ClientId),
        ];
        let key = QuotaKey::ProducerByteRate;
        let mut quotas = ClientQuotas::default();
        for (rank, (text, _)) in LEVELS.iter().enumerate() {
            quotas.set(&entity(text), key, Some(QuotaValue::new(rank as f64)));
            quotas.set(&entity("ann/app"), QuotaKey::RequestPercentage, Some(QuotaValue::new(1.0)));
        }
        for (rank, (text, scope)) in LEVELS.into_iter().enumerate() {
            let found = quotas.of_client(key, "ann", "app");
            assert_eq!(found, Some(FoundQuota { scope, value: rank as f64 }), "{text}");
            quotas.set(&entity(text), key, None);
        }
        assert_eq!(quotas.of_client(key, "ann", "app"), None, "another key of the entity says nothing");
        assert!(quotas.of_client(QuotaKey::RequestPercentage, "ann", "other").is_none());
    }

    #[test]
    fn an_entity_is_there_as_long_as_a_key_is_set() {
        let mut quotas = ClientQuotas::default();
        let app = entity("-/app");
        quotas.set(&app, QuotaKey::ConsumerByteRate, None);
        assert!(quotas.is_empty());
        quotas.set(&app, QuotaKey::ConsumerByteRate, Some(QuotaValue::new(2.0)));
        quotas.set(&app, QuotaKey::ProducerByteRate, Some(QuotaValue::new(3.0)));
        quotas.set(&app, QuotaKey::ConsumerByteRate, None);
        assert_eq!(quotas.iter().count(), 1);
        quotas.set(&app, QuotaKey::ProducerByteRate, None);
        assert!(quotas.is_empty());
    }

    #[test]
    fn addresses_are_named_or_all_others() {
        let ip = |name| QuotaEntity::default().with(EntityKind::Ip, name);
        let mut quotas = ClientQuotas::default();
        let key = QuotaKey::ConnectionCreationRate;
        quotas.set(&ip(QuotaName::Named("10.0.0.1".to_owned())), key, Some(QuotaValue::new(5.0)));
        assert_eq!(quotas.of_other_addresses(), None);
        quotas.set(&ip(QuotaName::Default), key, Some(QuotaValue::new(7.0)));
        assert_eq!(quotas.of_other_addresses(), Some(7.0));
        assert_eq!(quotas.hosts().collect::<Vec<_>>(), [("10.0.0.1", 5.0)]);
    }

    #[test]
    fn names_are_kafkas() {
        for key in QuotaKey::ALL {
            assert_eq!(QuotaKey::from_name(key.name()), Some(key));
        }
        for kind in QuotaEntity::KINDS {
            assert_eq!(EntityKind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(QuotaKey::from_name("SCRAM-SHA-256"), None);
        assert_eq!(EntityKind::from_name(""), None);
    }
}
