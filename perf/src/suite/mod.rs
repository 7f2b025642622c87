//! What suites of figures share: options, the brokers under measurement, the requests,
//! the run from figure to verdict.

mod options;
mod rig;
mod run;
mod topic;
mod workload;

pub use options::SuiteOptions;
pub(crate) use rig::{
    Contender, KAFKA_DEFAULT, MILLRACE_POWER, MILLRACE_PROCESS, POWER, PROCESS, Rig, Scale,
};
pub(crate) use run::{Figure, InQuickRun, Needs, Suite, run};
pub(crate) use topic::{Producers, Topic};
pub(crate) use workload::{BATCH_RECORDS, VALUE_BYTES, batch, one_record_each, warmed_up};
