//! Metrics of what readers hold: places in lists of partitions,
//! and responses that their peers have not yet taken.

use crate::admin::families::own::by_shard;
use crate::admin::family::{Family, Kind};

pub(crate) const FAMILIES: &[Family] = &[
    Family {
        name: "millrace_watches",
        kind: Kind::Gauge,
        labels: "shard",
        help: "Readers that wait for more records of a shard's partitions, whichever shard their connection is on.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.fetches.delayed),
    },
    Family {
        name: "millrace_watches_refused_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Readers that do not wait until records come, since so many wait for so many partitions; they hear after 50 ms what is there.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.fetches.delayed_refused),
    },
    Family {
        name: "millrace_egress_bytes",
        kind: Kind::Gauge,
        labels: "shard",
        help: "Memory held by answers that peers have not yet taken; a batch holds the whole chunk or page it lies in.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.fetches.egress.bytes),
    },
    Family {
        name: "millrace_egress_bytes_max",
        kind: Kind::Gauge,
        labels: "shard",
        help: "Most that such answers may hold; from the half on fetches shrink to one batch, beyond it they wait.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.fetches.egress.bytes_max),
    },
    Family {
        name: "millrace_fetches_limited_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Fetches that asked for more than a quarter of the memory then free for answers, and got that.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.fetches.egress.cut),
    },
    Family {
        name: "millrace_fetches_single_batch_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Fetches that shrank to one batch, since slow readers hold the memory for answers.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.fetches.egress.single),
    },
    Family {
        name: "millrace_egress_waits_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Requests that waited for memory for their answers.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.fetches.egress.waits),
    },
];
