//! The list of all metrics, which is also what docs/metrics.md lists.

use crate::admin::families::{client_metrics, compaction, disk, files, groups, kafka, own, quotas, readers};
use crate::admin::family::Family;
use crate::admin::scrape::Scrape;

/// In the order of the response: Kafka's names, then ours.
const FAMILIES: &[&[Family]] = &[
    kafka::FAMILIES,
    groups::KAFKAS,
    compaction::KAFKAS,
    quotas::KAFKAS,
    client_metrics::KAFKAS,
    own::FAMILIES,
    disk::FAMILIES,
    compaction::OWN,
    readers::FAMILIES,
    files::FAMILIES,
    groups::OWN,
    quotas::OWN,
    client_metrics::OWN,
];

/// The capacity that a response begins with. Without many topics it is some 60 KiB.
const TEXT_BYTES: usize = 64 * 1024;

/// All metrics of a scrape.
pub(crate) fn text(scrape: &Scrape) -> String {
    let mut text = String::with_capacity(TEXT_BYTES);
    for family in FAMILIES.iter().flat_map(|table| table.iter()) {
        family.write(scrape, &mut text);
    }
    client_metrics::write_pushed(&scrape.client_metrics, &mut text);
    text
}

/// One metric as documents describe it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricDescription {
    pub name: &'static str,
    pub kind: &'static str,
    /// Names of its labels, with commas between.
    pub labels: &'static str,
    pub help: &'static str,
}

/// Every metric that `/metrics` shows, in its order.
pub fn metric_descriptions() -> Vec<MetricDescription> {
    let families = FAMILIES.iter().flat_map(|table| table.iter());
    families
        .map(|family| MetricDescription {
            name: family.name,
            kind: family.kind.name(),
            labels: family.labels,
            help: family.help,
        })
        .collect()
}
