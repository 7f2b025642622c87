//! Times of requests, added up over all shards.

use std::collections::BTreeMap;

use millrace_core::base::measure::Distribution;

use crate::admin::scrape::Scrape;
use crate::metrics::timings::{FETCH_STAGES, PRODUCE_STAGES, TimingStats};

/// Time of all requests, by API.
pub(crate) fn totals(scrape: &Scrape) -> BTreeMap<&'static str, Distribution> {
    let mut totals: BTreeMap<&str, Distribution> = BTreeMap::new();
    for (_, report) in &scrape.shards {
        for (request, times) in &report.server.timings.totals {
            totals.entry(request).or_default().merge(times);
        }
    }
    totals
}

/// Times of produce requests by stage, in the order of their way.
pub(crate) fn produce(scrape: &Scrape) -> Vec<(&'static str, Distribution)> {
    stages(scrape, PRODUCE_STAGES, |timings| &timings.produce)
}

/// Times of fetches by stage, in the order of their way.
pub(crate) fn fetch(scrape: &Scrape) -> Vec<(&'static str, Distribution)> {
    stages(scrape, FETCH_STAGES, |timings| &timings.fetch)
}

fn stages(
    scrape: &Scrape,
    names: [&'static str; 5],
    of: fn(&TimingStats) -> &[Distribution],
) -> Vec<(&'static str, Distribution)> {
    let mut stages: Vec<_> = names.map(|name| (name, Distribution::default())).into();
    for (_, report) in &scrape.shards {
        for ((_, sum), times) in stages.iter_mut().zip(of(&report.server.timings)) {
            sum.merge(times);
        }
    }
    stages
}
