//! AlterClientQuotas checked against the image, and DescribeClientQuotas.
//!
//! Order of checks and messages are those of Kafka 4.3.1's controller (`ClientQuotaControlManager`) and, for
//! descriptions, of its image (`ClientQuotasImage`).

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use super::quota::{ClientQuotas, EntityKind, QuotaEntity, QuotaKey, QuotaName, QuotaValue, QuotaValues};
use super::record::MetadataRecord;

/// A `long` may be off a whole number by this much.
const FRACTION_MAX: f64 = 1e-6;

/// The parts of an entity as a request names them. The last of a kind counts,
/// as in the map that Kafka makes of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct NamedEntity(BTreeMap<PartKind, Option<String>>);

/// Kafka's kinds in its order, and others behind them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum PartKind {
    Known(EntityKind),
    Other(String),
}

impl PartKind {
    fn name(&self) -> &str {
        match self {
            PartKind::Known(kind) => kind.name(),
            PartKind::Other(name) => name,
        }
    }
}

impl NamedEntity {
    pub fn new<'a>(parts: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> NamedEntity {
        let part = |(kind, name): (&str, Option<&str>)| {
            let kind =
                EntityKind::from_name(kind).map_or_else(|| PartKind::Other(kind.to_owned()), PartKind::Known);
            (kind, name.map(str::to_owned))
        };
        NamedEntity(parts.into_iter().map(part).collect())
    }

    /// Kind and name of each part.
    pub fn parts(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(kind, name)| (kind.name(), name.as_deref()))
    }

    /// The address that it names, if it does.
    pub fn host(&self) -> Option<&str> {
        self.0.get(&PartKind::Known(EntityKind::Ip))?.as_deref()
    }

    /// As Kafka's `ClientQuotaEntity.toString`.
    fn described(&self) -> String {
        let part = |(kind, name): (&str, Option<&str>)| format!("{kind}={}", name.unwrap_or("null"));
        let parts: Vec<String> = self.parts().map(part).collect();
        format!("ClientQuotaEntity(entries={{{}}})", parts.join(", "))
    }

    fn check(&self) -> Result<QuotaEntity, QuotaError> {
        let mut entity = QuotaEntity::default();
        for (kind, name) in &self.0 {
            let PartKind::Known(known) = kind else {
                return Err(QuotaError::request(format!(
                    "Unhandled client quota entity type: {}",
                    kind.name()
                )));
            };
            if name.as_deref() == Some("") {
                return Err(QuotaError::request(format!("Empty {} not supported", known.name())));
            }
            entity = entity.with(*known, QuotaName::from_wire(name.clone()));
        }
        match (&entity.client_id, &entity.user, &entity.ip) {
            (None, None, None) => Err(QuotaError::request("Invalid empty client quota entity")),
            (None, None, Some(_)) | (_, _, None) => Ok(entity),
            _ => Err(QuotaError::request(
                "Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId",
            )),
        }
    }
}

/// Whether the address that an entity names is one, or that of a host that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// Or no address is named.
    Known,
    Unknown,
}

/// A change of one entity's quotas.
#[derive(Debug, Clone, PartialEq)]
pub struct QuotaAlteration {
    pub entity: NamedEntity,
    pub host: Host,
    /// Keys and what they are set to; `None` takes the key away.
    pub ops: Vec<(String, Option<f64>)>,
}

/// Which of Kafka's errors a refusal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaErrorKind {
    InvalidRequest,
    UnsupportedVersion,
    /// The change could not be stored.
    Storage,
}

/// A refused change or description of quotas, in Kafka's words.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct QuotaError {
    pub kind: QuotaErrorKind,
    pub message: String,
}

impl QuotaError {
    fn request(message: impl Into<String>) -> QuotaError {
        QuotaError { kind: QuotaErrorKind::InvalidRequest, message: message.into() }
    }

    pub fn storage(message: impl Into<String>) -> QuotaError {
        QuotaError { kind: QuotaErrorKind::Storage, message: message.into() }
    }
}

/// What became of one entity.
pub type AlteredQuota = (NamedEntity, Result<(), QuotaError>);

/// Checks changes one by one: what becomes of each entity, once for each, and the records of those that were
/// not refused. Of an entity that stands twice the first change is carried out,
/// and still the answer is a refusal, as in Kafka.
#[derive(Debug)]
pub struct ClientQuotaChanges<'a> {
    quotas: &'a ClientQuotas,
    results: Vec<AlteredQuota>,
    places: BTreeMap<&'a NamedEntity, usize>,
    records: Vec<MetadataRecord>,
}

impl<'a> ClientQuotaChanges<'a> {
    pub fn of(quotas: &'a ClientQuotas) -> ClientQuotaChanges<'a> {
        ClientQuotaChanges { quotas, results: Vec::new(), places: BTreeMap::new(), records: Vec::new() }
    }

    /// The next change.
    pub fn add(&mut self, alteration: &'a QuotaAlteration) {
        let entity = &alteration.entity;
        let earlier = self.places.get(entity).and_then(|place| self.results.get_mut(*place));
        let mut seen = BTreeSet::new();
        let names_twice = !alteration.ops.iter().all(|(key, _)| seen.insert(key));
        let result = match earlier.is_some() || names_twice {
            true => Err(QuotaError::request(format!("Ignoring duplicate entity {}", entity.described()))),
            false => alter(self.quotas, alteration).map(|of_entity| self.records.extend(of_entity)),
        };
        match earlier {
            Some(place) => place.1 = result,
            None => {
                self.places.insert(entity, self.results.len());
                self.results.push((entity.clone(), result));
            }
        }
    }

    pub fn finish(self) -> (Vec<AlteredQuota>, Vec<MetadataRecord>) {
        (self.results, self.records)
    }
}

/// The same of all changes at once.
pub fn alter_client_quotas(
    quotas: &ClientQuotas,
    alterations: &[QuotaAlteration],
) -> (Vec<AlteredQuota>, Vec<MetadataRecord>) {
    let mut changes = ClientQuotaChanges::of(quotas);
    alterations.iter().for_each(|alteration| changes.add(alteration));
    changes.finish()
}

fn alter(quotas: &ClientQuotas, alteration: &QuotaAlteration) -> Result<Vec<MetadataRecord>, QuotaError> {
    let entity = alteration.entity.check()?;
    if alteration.host == Host::Unknown {
        let host = alteration.entity.host().unwrap_or_default();
        return Err(QuotaError::request(format!("{host} is not a valid IP or resolvable host.")));
    }
    let mut records = Vec::new();
    for (name, value) in &alteration.ops {
        let allowed = QuotaKey::from_name(name).filter(|key| key.is_of_addresses() == entity.ip.is_some());
        let (key, value) = match (allowed, value) {
            (Some(key), Some(value)) => {
                check_value(key, *value)?;
                (key, Some(QuotaValue::new(*value)))
            }
            (Some(key), None) => (key, None),
            (None, Some(_)) => {
                return Err(QuotaError::request(format!("Invalid configuration key {name}")));
            }
            // What is not there need not be taken away.
            (None, None) => continue,
        };
        if quotas.get(&entity, key) != value {
            records.push(MetadataRecord::ClientQuota { entity: entity.clone(), key, value });
        }
    }
    Ok(records)
}

fn check_value(key: QuotaKey, value: f64) -> Result<(), QuotaError> {
    let name = key.name();
    if value <= 0.0 {
        return Err(QuotaError::request(format!("Quota {name} must be greater than 0")));
    }
    let (max, kind) = match key {
        QuotaKey::RequestPercentage | QuotaKey::ControllerMutationRate => return Ok(()),
        QuotaKey::ConnectionCreationRate => (f64::from(i32::MAX), "an INT"),
        QuotaKey::ProducerByteRate | QuotaKey::ConsumerByteRate => (i64::MAX as f64, "a LONG"),
    };
    if value > max {
        return Err(QuotaError::request(format!("Proposed value for {name} is too large for {kind}.")));
    }
    match (value.trunc() - value).abs() > FRACTION_MAX {
        true => Err(QuotaError::request(format!("{name} cannot be a fractional value."))),
        false => Ok(()),
    }
}

/// One component of a filter, as a request names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilterPart<'a> {
    pub kind: &'a str,
    /// 0: exactly this name, 1: everybody, 2: any.
    pub match_type: i8,
    pub name: Option<&'a str>,
}

/// Whether entities with parts that a filter does not name match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strict {
    Yes,
    No,
}

/// What a component wants.
enum Wanted<'a> {
    /// `None`: everybody.
    Name(Option<&'a str>),
    Any,
}

/// The entities that match every component, with what is set for them. Without components: all, or none where
/// the filter is strict, as in Kafka.
pub fn describe_client_quotas<'a>(
    quotas: &'a ClientQuotas,
    filter: &[FilterPart<'_>],
    strict: Strict,
) -> Result<Vec<(&'a QuotaEntity, &'a QuotaValues)>, QuotaError> {
    let wanted = check_filter(filter)?;
    let matches = |entity: &QuotaEntity| {
        wanted.iter().all(|(kind, wanted)| match (entity.part(*kind), wanted) {
            (Some(_), Wanted::Any) => true,
            (Some(name), Wanted::Name(wanted)) => name.named() == *wanted,
            (None, _) => false,
        }) && (strict == Strict::No || (!wanted.is_empty() && entity.parts().count() == wanted.len()))
    };
    Ok(quotas.iter().filter(|(entity, _)| matches(entity)).collect())
}

fn check_filter<'a>(filter: &[FilterPart<'a>]) -> Result<BTreeMap<EntityKind, Wanted<'a>>, QuotaError> {
    let mut wanted = BTreeMap::new();
    for part in filter {
        let kind = EntityKind::from_name(part.kind);
        if part.kind.is_empty() {
            return Err(QuotaError::request("Invalid empty entity type."));
        }
        if kind.is_some_and(|kind| wanted.contains_key(&kind)) {
            return Err(QuotaError::request(format!(
                "Entity type {} cannot appear more than once in the filter.",
                part.kind
            )));
        }
        let Some(kind) = kind else {
            let message = format!("Unsupported entity type {}", part.kind);
            return Err(QuotaError { kind: QuotaErrorKind::UnsupportedVersion, message });
        };
        wanted.insert(kind, check_match(part)?);
    }
    let is_named = |kind| wanted.contains_key(&kind);
    if is_named(EntityKind::Ip) && (is_named(EntityKind::User) || is_named(EntityKind::ClientId)) {
        return Err(QuotaError::request(
            "Invalid entity filter component combination. IP filter component should not be used with user or \
             clientId filter component.",
        ));
    }
    Ok(wanted)
}

fn check_match<'a>(part: &FilterPart<'a>) -> Result<Wanted<'a>, QuotaError> {
    let refuse = |name: &str| {
        Err(QuotaError::request(format!("Request specified {name}, but also specified a match string.")))
    };
    match (part.match_type, part.name) {
        (0, None) => {
            Err(QuotaError::request("Request specified MATCH_TYPE_EXACT, but set match string to null."))
        }
        (0, Some(name)) => Ok(Wanted::Name(Some(name))),
        (1, None) => Ok(Wanted::Name(None)),
        (1, Some(_)) => refuse("MATCH_TYPE_DEFAULT"),
        (2, None) => Ok(Wanted::Any),
        (2, Some(_)) => refuse("MATCH_TYPE_SPECIFIED"),
        (other, _) => Err(QuotaError::request(format!("Unknown match type {other}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::image::MetadataImage;
    use super::*;

    /// `kind=name`, `*` for everybody.
    fn entity(text: &str) -> NamedEntity {
        NamedEntity::new(
            text.split(' ')
                .filter_map(|part| part.split_once('='))
                .map(|(kind, name)| (kind, (name != "*").then_some(name))),
        )
    }

    fn alteration(text: &str, ops: &str) -> QuotaAlteration {
        let op = |word: &str| match word.strip_suffix('!') {
            Some(key) => (key.to_owned(), None),
            None => {
                let (key, value) = word.split_once('=').expect("key=value");
                (key.to_owned(), Some(value.parse().expect("a number")))
            }
        };
        let ops = ops.split(' ').filter(|word| !word.is_empty()).map(op).collect();
        QuotaAlteration { entity: entity(text), host: Host::Known, ops }
    }

    fn described(image: &MetadataImage) -> String {
        let lines = image.client_quotas().iter().map(|(entity, values)| {
            let parts =
                entity.parts().map(|(kind, name)| format!("{}={}", kind.name(), name.named().unwrap_or("*")));
            let values = values.iter().map(|(key, value)| format!("{}={}", key.name(), value.get()));
            parts.chain(values).collect::<Vec<_>>().join(" ")
        });
        lines.collect::<Vec<_>>().join("; ")
    }

    /// Entity, operations, and what is set then, or the refusal. Each begins with
    /// `client-id=a consumer_byte_rate=7`.
    const CASES: &str = "
        client-id=b | producer_byte_rate=1 | client-id=a consumer_byte_rate=7; client-id=b producer_byte_rate=1
        client-id=a | consumer_byte_rate=8 | client-id=a consumer_byte_rate=8
        client-id=a | consumer_byte_rate! |
        client-id=a | no_such! producer_byte_rate! | client-id=a consumer_byte_rate=7
        client-id=a | consumer_byte_rate! producer_byte_rate=1 | client-id=a producer_byte_rate=1
        user=u client-id=* | request_percentage=0.5 | client-id=* user=u request_percentage=0.5; client-id=a consumer_byte_rate=7
        ip=* | connection_creation_rate=3 | ip=* connection_creation_rate=3; client-id=a consumer_byte_rate=7
        user=u user=v | producer_byte_rate=1 | user=v producer_byte_rate=1; client-id=a consumer_byte_rate=7
        client-id=a | | client-id=a consumer_byte_rate=7
        | producer_byte_rate=1 | Invalid empty client quota entity
        group=a | producer_byte_rate=1 | Unhandled client quota entity type: group
        client-id= | producer_byte_rate=1 | Empty client-id not supported
        client-id=b ip=1.2.3.4 | producer_byte_rate=1 | Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId
        client-id=b | connection_creation_rate=1 | Invalid configuration key connection_creation_rate
        ip=1.2.3.4 | producer_byte_rate=1 | Invalid configuration key producer_byte_rate
        client-id=b | producer_byte_rate=1 no_such=1 | Invalid configuration key no_such
        client-id=b | producer_byte_rate=0 | Quota producer_byte_rate must be greater than 0
        client-id=b | request_percentage=-1 | Quota request_percentage must be greater than 0
        client-id=b | producer_byte_rate=1.5 | producer_byte_rate cannot be a fractional value.
        client-id=b | producer_byte_rate=6.9999999 | producer_byte_rate cannot be a fractional value.
        client-id=b | producer_byte_rate=6.0000001 | client-id=a consumer_byte_rate=7; client-id=b producer_byte_rate=6.0000001
        client-id=b | producer_byte_rate=1e22 | Proposed value for producer_byte_rate is too large for a LONG.
        ip=1.2.3.4 | connection_creation_rate=2147483648 | Proposed value for connection_creation_rate is too large for an INT.
        client-id=b | producer_byte_rate=1 producer_byte_rate=2 | Ignoring duplicate entity ClientQuotaEntity(entries={client-id=b})
    ";

    #[test]
    fn changes_are_checked_and_carried_out() {
        for line in CASES.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let fields: Vec<&str> = line.split('|').map(str::trim).collect();
            let [entity, ops, expected] = fields[..] else { panic!("three fields: {line}") };
            let mut image = MetadataImage::default();
            let first = alteration("client-id=a", "consumer_byte_rate=7");
            let (_, records) = alter_client_quotas(image.client_quotas(), &[first]);
            image.apply_all(&records).expect("records that fit");
            let before = image.clone();
            let (results, records) = alter_client_quotas(image.client_quotas(), &[alteration(entity, ops)]);
            image.apply_all(&records).expect("records that fit");
            let [(_, result)] = &results[..] else { panic!("one result: {line}") };
            match result {
                Ok(()) => assert_eq!(described(&image), expected, "{line}"),
                Err(error) => {
                    assert_eq!((error.message.as_str(), &image), (expected, &before), "{line}");
                }
            }
        }
    }

    #[test]
    fn of_an_entity_that_stands_twice_the_first_change_is_carried_out_and_refused() {
        let twice =
            ["user=* client-id=a", "client-id=a user=*"].map(|text| alteration(text, "producer_byte_rate=1"));
        let (results, records) = alter_client_quotas(&ClientQuotas::default(), &twice);
        let messages: Vec<_> = results.iter().map(|(_, result)| result.as_ref().unwrap_err()).collect();
        let expected = "Ignoring duplicate entity ClientQuotaEntity(entries={client-id=a, user=null})";
        assert_eq!(messages.iter().map(|error| error.message.as_str()).collect::<Vec<_>>(), [expected]);
        assert_eq!(records.len(), 1);
    }

    #[test]
    fn a_host_that_is_not_known_is_refused() {
        let unknown =
            QuotaAlteration { host: Host::Unknown, ..alteration("ip=no-such", "connection_creation_rate=1") };
        let (results, records) = alter_client_quotas(&ClientQuotas::default(), &[unknown]);
        assert_eq!(
            results[0].1.as_ref().unwrap_err().message,
            "no-such is not a valid IP or resolvable host."
        );
        assert!(records.is_empty());
    }

    /// Components (`kind=name`, `kind=*` everybody, `kind` any), strict or not,
    /// and how many of the entities match.
    #[test]
    fn filters_match() {
        let mut quotas = ClientQuotas::default();
        for text in [
            "user=u",
            "user=u client-id=a",
            "user=u client-id=*",
            "user=* client-id=a",
            "client-id=a",
            "ip=*",
        ] {
            let entity = entity(text).check().expect("an entity");
            quotas.set(&entity, QuotaKey::RequestPercentage, Some(QuotaValue::new(1.0)));
        }
        for (text, strict, loose) in [
            ("", 0, 6),
            ("user=u", 1, 3),
            ("user=*", 0, 1),
            ("user", 1, 4),
            ("client-id=a", 1, 3),
            ("user=u client-id=a", 1, 1),
            ("user=u client-id", 2, 2),
            ("user client-id=a", 2, 2),
            ("user client-id", 3, 3),
            ("client-id=b", 0, 0),
            ("client-id=", 0, 0),
            ("ip=*", 1, 1),
            ("ip", 1, 1),
        ] {
            let part = |word: &'static str| match word.split_once('=') {
                None => FilterPart { kind: word, match_type: 2, name: None },
                Some((kind, "*")) => FilterPart { kind, match_type: 1, name: None },
                Some((kind, name)) => FilterPart { kind, match_type: 0, name: Some(name) },
            };
            let filter: Vec<FilterPart<'_>> =
                text.split(' ').filter(|word| !word.is_empty()).map(part).collect();
            for (mode, expected) in [(Strict::Yes, strict), (Strict::No, loose)] {
                let found = describe_client_quotas(&quotas, &filter, mode).expect("a good filter");
                assert_eq!(found.len(), expected, "{text:?} {mode:?}");
            }
        }
    }
}
