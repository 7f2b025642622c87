//! `millrace bench`: loads any Kafka-compatible broker and says what it gave.

use std::process::ExitCode;

use millrace_perf::{BenchOptions, run_bench};

/// The load generator prints its figures itself, and its failures.
pub(crate) fn run(options: &BenchOptions) -> ExitCode {
    run_bench(options)
}
