//! Quotas that are changed between the lives of topics: what was answered is there behind every crash.

use std::collections::BTreeMap;

use millrace_core::meta::{
    ClientQuotas, EntityKind, Host, NamedEntity, QuotaAlteration, QuotaEntity, QuotaKey, QuotaName,
    QuotaValue,
};

/// What is set of each client id: each is named after a topic.
#[derive(Default)]
pub(crate) struct Quotas {
    known: BTreeMap<&'static str, Known>,
}

/// Values; `None` where there is no quota.
#[derive(Default)]
struct Known {
    answered: Option<f64>,
    /// Asked for since, and not answered.
    asked: Option<Option<f64>>,
}

/// Every other life has one, of its own.
pub(crate) fn of_life(life: usize) -> Option<f64> {
    life.is_multiple_of(2).then(|| (life + 1) as f64)
}

/// The change to what a life has.
pub(crate) fn alteration(name: &str, value: Option<f64>) -> QuotaAlteration {
    let entity = NamedEntity::new([(EntityKind::ClientId.name(), Some(name))]);
    QuotaAlteration { entity, host: Host::Known, ops: vec![(KEY.name().to_owned(), value)] }
}

const KEY: QuotaKey = QuotaKey::ProducerByteRate;

impl Quotas {
    pub(crate) fn ask(&mut self, name: &'static str, value: Option<f64>) {
        self.known.entry(name).or_default().asked = Some(value);
    }

    /// What was asked for last is answered.
    pub(crate) fn answer(&mut self, name: &'static str) {
        let known = self.known.entry(name).or_default();
        if let Some(asked) = known.asked.take() {
            known.answered = asked;
        }
    }

    /// Compares what a node has after a start with what was promised; answers what was not kept.
    pub(crate) fn audit(&mut self, found: &ClientQuotas) -> Vec<String> {
        let mut violations = Vec::new();
        for (name, known) in &mut self.known {
            let named = QuotaName::Named((*name).to_owned());
            let found = found.get(&QuotaEntity::default().with(EntityKind::ClientId, named), KEY);
            let found = found.map(QuotaValue::get);
            if found != known.answered && Some(found) != known.asked {
                violations
                    .push(format!("the quota of {name} is {found:?}, and was set to {:?}", known.answered));
            }
            *known = Known { answered: found, asked: None };
        }
        violations
    }
}
