//! The commands as programs call them: each prints its figures and ends with an exit code.

use std::process::ExitCode;

use crate::bench::{self, BenchOptions};
use crate::clock;
use crate::error::ClientError;
use crate::first_light;
use crate::groups;
use crate::hostile;
use crate::measure::Verdict;
use crate::storage;
use crate::suite::SuiteOptions;

/// Nothing could be measured; clap exits with the same code where the command line is wrong.
const CODE_NOT_MEASURED: u8 = 2;

/// The figures of the first broker. The exit code is 1 if one missed its limit.
pub fn run_first_light(options: &SuiteOptions) -> ExitCode {
    finish(|| first_light::run(options))
}

/// The figures of the whole storage engine. The exit code is 1 if one missed its limit.
pub fn run_storage(options: &SuiteOptions) -> ExitCode {
    finish(|| storage::run(options))
}

/// The figures of consumer groups. The exit code is 1 if one missed its limit.
pub fn run_groups(options: &SuiteOptions) -> ExitCode {
    finish(|| groups::run(options))
}

/// Hostile peers, and an honest client beside them. The exit code is 1 if one missed its limit.
pub fn run_hostile(options: &SuiteOptions) -> ExitCode {
    finish(|| hostile::run(options))
}

/// Loads one broker. The exit code is 1 if a load got no answer while it counted.
pub fn run_bench(options: &BenchOptions) -> ExitCode {
    finish(|| bench::run(options))
}

#[expect(clippy::print_stderr, reason = "what a user of the command reads when nothing could be measured")]
fn finish(run: impl FnOnce() -> Result<Verdict, ClientError>) -> ExitCode {
    clock::sharpen_sleeps();
    match run() {
        Ok(Verdict::Pass) => ExitCode::SUCCESS,
        Ok(Verdict::Fail) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(CODE_NOT_MEASURED)
        }
    }
}
