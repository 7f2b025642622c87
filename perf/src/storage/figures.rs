//! The figures in their order, each on brokers of its own.

use super::{cold_consume, cold_reader, consume, partitions, produce, restart, retention, stalled_readers};
use crate::error::ClientError;
use crate::measure::Verdict;
use crate::suite::{self, Figure, InQuickRun, Needs, Suite, SuiteOptions};

const FIGURES: &[Figure] = &[
    Figure {
        name: "produce",
        title: "1 KiB records in 64 KiB batches to 6 partitions, beside disk, loopback and Kafka",
        needs: Needs::AnyBroker,
        quick: InQuickRun::No,
        take: produce::take,
    },
    Figure {
        name: "consume",
        title: "what was just written, read from memory",
        needs: Needs::AnyBroker,
        quick: InQuickRun::No,
        take: consume::take,
    },
    Figure {
        name: "cold-consume",
        title: "what no memory holds, read from the disk",
        needs: Needs::Millrace,
        quick: InQuickRun::No,
        take: cold_consume::take,
    },
    Figure {
        name: "cold-reader",
        title: "produce latency while a reader of old records runs",
        needs: Needs::AnyBroker,
        quick: InQuickRun::No,
        take: cold_reader::take,
    },
    Figure {
        name: "retention",
        title: "produce latency while retention deletes",
        needs: Needs::Millrace,
        quick: InQuickRun::No,
        take: retention::take,
    },
    Figure {
        name: "partitions",
        title: "10,000 partitions: created, kept in memory, written, read by many",
        needs: Needs::Millrace,
        quick: InQuickRun::Yes,
        take: partitions::take,
    },
    Figure {
        name: "stalled-readers",
        title: "100 readers that never drain, and producers at full rate",
        needs: Needs::Millrace,
        quick: InQuickRun::Yes,
        take: stalled_readers::take,
    },
    Figure {
        name: "restart",
        title: "10 GB in 1,000 partitions: back after kill -9 and after a clean stop",
        needs: Needs::Millrace,
        quick: InQuickRun::Yes,
        take: restart::take,
    },
];

/// Takes the figures that the options name.
pub(crate) fn run(options: &SuiteOptions) -> Result<Verdict, ClientError> {
    suite::run(&Suite { name: "storage", figures: FIGURES }, options)
}
