//! The figures in their order, each on brokers of its own.

use super::{commits, load, many_members, memory, rebalance, spread};
use crate::error::ClientError;
use crate::measure::Verdict;
use crate::suite::{self, Figure, InQuickRun, Needs, Suite, SuiteOptions};

const FIGURES: &[Figure] = &[
    Figure {
        name: "load",
        title: "10,000 groups and 100,000 offsets: back after kill -9",
        needs: Needs::Millrace,
        quick: InQuickRun::Yes,
        take: load::take,
    },
    Figure {
        name: "rebalance",
        title: "one group of 2,000 members: formed, and rebalanced again",
        needs: Needs::Millrace,
        quick: InQuickRun::Yes,
        take: rebalance::take,
    },
    Figure {
        name: "many-members",
        title: "heartbeats and commits of 100 groups while 7,000 members make another",
        needs: Needs::Millrace,
        quick: InQuickRun::Yes,
        take: many_members::take,
    },
    Figure {
        name: "commits",
        title: "produce latency beside 20,000 commits a second",
        needs: Needs::Millrace,
        quick: InQuickRun::No,
        take: commits::take,
    },
    Figure {
        name: "memory",
        title: "memory of an idle group, and of a member",
        needs: Needs::Millrace,
        quick: InQuickRun::No,
        take: memory::take,
    },
    Figure {
        name: "spread",
        title: "the groups of each shard",
        needs: Needs::Millrace,
        quick: InQuickRun::Yes,
        take: spread::take,
    },
];

/// Takes the figures that the options name.
pub(crate) fn run(options: &SuiteOptions) -> Result<Verdict, ClientError> {
    suite::run(&Suite { name: "groups", figures: FIGURES }, options)
}
