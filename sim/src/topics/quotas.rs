//! Quotas that are changed between the lives of topics: what was answered is there behind every crash.

use std::collections::BTreeMap;

use millrace_core::meta::{
    ClientQuotas, EntityKind, Host, NamedEntity, QuotaAlteration, QuotaEntity, QuotaKey, QuotaName,
    QuotaValue,
};

use super::promise::Promise;

/// What is set of each client id, each named after a topic: both keys, told apart. What has the one and not
/// the other is half of a change.
#[derive(Default)]
pub(crate) struct Quotas {
    known: BTreeMap<&'static str, Promise<[Option<f64>; 2]>>,
}

/// Every other life has one, of its own.
pub(crate) fn of_life(life: usize) -> Option<f64> {
    life.is_multiple_of(2).then(|| (life + 1) as f64)
}

/// The change to what a life has: of both keys at once.
pub(crate) fn alteration(name: &str, value: Option<f64>) -> QuotaAlteration {
    let entity = NamedEntity::new([(EntityKind::ClientId.name(), Some(name))]);
    let ops = KEYS.iter().zip(both(value)).map(|(key, value)| (key.name().to_owned(), value));
    QuotaAlteration { entity, host: Host::Known, ops: ops.collect() }
}

const KEYS: [QuotaKey; 2] = [QuotaKey::ProducerByteRate, QuotaKey::ConsumerByteRate];

/// The values of both keys; `None` where there is no quota.
fn both(value: Option<f64>) -> [Option<f64>; 2] {
    [value, value.map(|value| value * 1000.0)]
}

impl Quotas {
    pub(crate) fn ask(&mut self, name: &'static str, value: Option<f64>) {
        self.known.entry(name).or_default().ask(both(value));
    }

    /// What was asked for last is answered.
    pub(crate) fn answer(&mut self, name: &'static str) {
        self.known.entry(name).or_default().answer();
    }

    /// Compares what a node has after a start with what was promised; answers what was not kept.
    pub(crate) fn audit(&mut self, found: &ClientQuotas) -> Vec<String> {
        let mut violations = Vec::new();
        for (name, known) in &mut self.known {
            let named = QuotaName::Named((*name).to_owned());
            let entity = QuotaEntity::default().with(EntityKind::ClientId, named);
            let found = KEYS.map(|key| found.get(&entity, key).map(QuotaValue::get));
            if let Err(promised) = known.audit(found) {
                violations.push(format!("the quotas of {name} are {found:?}, and were set to {promised:?}"));
            }
        }
        violations
    }
}

#[cfg(test)]
mod tests {
    use millrace_core::meta::{MetadataImage, alter_client_quotas};

    use super::*;

    /// Whether a node is told of that has `found` where `answered` was promised and `asked` asked for.
    fn check(answered: Option<f64>, asked: Option<Option<f64>>, found: [Option<f64>; 2], is_told: bool) {
        let mut quotas = Quotas::default();
        quotas.ask("alpha", answered);
        quotas.answer("alpha");
        asked.into_iter().for_each(|value| quotas.ask("alpha", value));
        let mut alteration = alteration("alpha", None);
        for ((_, value), found) in alteration.ops.iter_mut().zip(found) {
            *value = found;
        }
        let mut image = MetadataImage::default();
        let (_, records) = alter_client_quotas(image.client_quotas(), &[alteration]);
        records.iter().for_each(|record| image.apply(record).unwrap());
        assert_eq!(quotas.audit(image.client_quotas()).len(), usize::from(is_told), "{found:?}");
        assert!(quotas.audit(image.client_quotas()).is_empty() || found[0].is_none() != found[1].is_none());
    }

    #[test]
    fn quotas_are_held_to_what_was_answered() {
        check(Some(1.0), None, [Some(1.0), Some(1000.0)], false);
        check(Some(1.0), None, [None, None], true);
        check(Some(1.0), Some(None), [None, None], false);
        check(Some(1.0), Some(None), [Some(1.0), Some(1000.0)], false);
        check(Some(1.0), Some(None), [None, Some(1000.0)], true);
        check(None, Some(Some(2.0)), [Some(2.0), None], true);
        check(None, None, [Some(2.0), Some(2000.0)], true);
    }
}
