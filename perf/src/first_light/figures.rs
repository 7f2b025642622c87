//! The figures in their order, each on brokers of its own.

use super::{hardening, hostile, many_partitions, one_in_flight, rounds, start, throughput};
use crate::error::ClientError;
use crate::measure::Verdict;
use crate::suite::{self, Figure, InQuickRun, Needs, Suite, SuiteOptions};

const FIGURES: &[Figure] = &[
    Figure {
        name: "start",
        title: "start, memory and rest",
        needs: Needs::Millrace,
        quick: InQuickRun::Yes,
        take: start::take,
    },
    Figure {
        name: "one-in-flight",
        title: "one record of 1 KiB in flight, acks=all",
        needs: Needs::AnyBroker,
        quick: InQuickRun::No,
        take: one_in_flight::take,
    },
    Figure {
        name: "rounds",
        title: "one record to each of 100 partitions, in one request",
        needs: Needs::AnyBroker,
        quick: InQuickRun::No,
        take: rounds::take,
    },
    Figure {
        name: "hardening",
        title: "durable commits reach the device",
        needs: Needs::Millrace,
        quick: InQuickRun::Yes,
        take: hardening::take,
    },
    Figure {
        name: "many-partitions",
        title: "a record in each of many partitions beside a hot one",
        needs: Needs::Millrace,
        quick: InQuickRun::Yes,
        take: many_partitions::take,
    },
    Figure {
        name: "hostile",
        title: "peers that announce much and say nothing, or say anything",
        needs: Needs::Millrace,
        quick: InQuickRun::Yes,
        take: hostile::take,
    },
    Figure {
        name: "throughput",
        title: "batches of 64 KiB over 6 partitions, and back",
        needs: Needs::AnyBroker,
        quick: InQuickRun::No,
        take: throughput::take,
    },
];

/// Takes the figures that the options name.
pub(crate) fn run(options: &SuiteOptions) -> Result<Verdict, ClientError> {
    suite::run(&Suite { name: "first-light", figures: FIGURES }, options)
}
