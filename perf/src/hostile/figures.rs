//! The figures in their order, each on a broker of its own.

use super::{bombs, half_sent, joins, lengths, pipelines, pushes, slow_readers, storm, vanishing};
use crate::error::ClientError;
use crate::measure::Verdict;
use crate::suite::{self, Figure, InQuickRun, Needs, Rig, Suite, SuiteOptions};

const FIGURES: &[Figure] = &[
    figure("half-sent", "1,000 peers that send half of a request, and a byte now and then", half_sent::take),
    figure(
        "slow-readers",
        "100 peers that ask for much and take a kilobyte now and then",
        slow_readers::take,
    ),
    figure("storm", "5,000 connections at once, again and again", storm::take),
    figure("bombs", "batches that decompress to a thousand times their size", bombs::take),
    figure("lengths", "lengths that nothing has, and lists of a million nothings", lengths::take),
    figure("pipelines", "10,000 requests ahead of any answer", pipelines::take),
    figure("joins", "members that bring a megabyte, or offer 40,000 protocols", joins::take),
    figure("pushes", "clients that push a megabyte of metrics, each under another name", pushes::take),
    figure("vanishing", "readers that vanish while they wait", vanishing::take),
];

const fn figure(
    name: &'static str,
    title: &'static str,
    take: fn(&mut Rig) -> Result<(), ClientError>,
) -> Figure {
    Figure { name, title, needs: Needs::Millrace, quick: InQuickRun::Yes, take }
}

/// Takes the figures that the options name.
pub(crate) fn run(options: &SuiteOptions) -> Result<Verdict, ClientError> {
    suite::run(&Suite { name: "hostile", figures: FIGURES }, options)
}
