//! A subscription to metrics of clients that changes between the lives of topics: what was answered is there
//! behind every crash, all of its settings or none.

use millrace_core::base::config::ConfigMap;
use millrace_core::meta::{AlterEntry, AlterOperation, AlterTarget, Alteration, MetadataImage, OtherKeys};

use super::promise::Promise;

/// The name whose lives change it; the subscription is named after it.
pub(crate) const CHANGED_BY: &str = "gamma";

/// Its settings; none where there is no subscription.
pub(crate) type Subscription = Promise<ConfigMap>;

/// Every other life has one, of its own.
pub(crate) fn of_life(life: usize) -> ConfigMap {
    match life.is_multiple_of(2) {
        true => ConfigMap::from([
            ("metrics".to_owned(), format!("org.apache.kafka.{life}")),
            ("interval.ms".to_owned(), (1000 + life).to_string()),
        ]),
        false => ConfigMap::new(),
    }
}

/// The change to these settings: what is not named goes.
pub(crate) fn alteration(settings: &ConfigMap) -> Alteration {
    let entries = settings.iter().map(|(key, value)| AlterEntry {
        key: key.clone(),
        operation: AlterOperation::Set,
        value: Some(value.clone()),
    });
    Alteration {
        target: AlterTarget::ClientMetrics(CHANGED_BY.to_owned()),
        entries: entries.collect(),
        others: OtherKeys::Reset,
    }
}

/// Compares what a node has after a start with what was promised; answers what was not kept.
pub(crate) fn audit(subscription: &mut Subscription, image: &MetadataImage) -> Option<String> {
    let found = image.client_metrics_config(CHANGED_BY);
    let promised = subscription.audit(found.clone()).err()?;
    Some(format!("the subscription of {CHANGED_BY} is {found:?}, and was set to {promised:?}"))
}

#[cfg(test)]
mod tests {
    use millrace_core::meta::{ConfigResource, MetadataRecord};

    use super::*;

    /// Whether a node is told of that has `found`, where `answered` was promised and `asked` asked for.
    fn check(answered: ConfigMap, asked: Option<ConfigMap>, found: &ConfigMap, is_told: bool) {
        let mut subscription = Subscription::default();
        subscription.ask(answered);
        subscription.answer();
        asked.into_iter().for_each(|settings| subscription.ask(settings));
        let mut image = MetadataImage::default();
        for (key, value) in found {
            let resource = ConfigResource::ClientMetrics(CHANGED_BY.to_owned());
            let record = MetadataRecord::Config { resource, key: key.clone(), value: Some(value.clone()) };
            image.apply(&record).unwrap();
        }
        assert_eq!(audit(&mut subscription, &image).is_some(), is_told, "{found:?}");
        assert_eq!(audit(&mut subscription, &image), None, "what is there is what counts from then on");
    }

    #[test]
    fn subscriptions_are_held_to_what_was_answered() {
        let (first, second) = (of_life(0), of_life(2));
        let mut half = second.clone();
        half.remove("interval.ms");
        check(first.clone(), None, &first, false);
        check(first.clone(), None, &ConfigMap::new(), true);
        check(first.clone(), Some(second.clone()), &first, false);
        check(first.clone(), Some(second.clone()), &second, false);
        check(first.clone(), Some(second), &half, true);
        check(first.clone(), Some(of_life(1)), &ConfigMap::new(), false);
        check(ConfigMap::new(), None, &first, true);
    }
}
