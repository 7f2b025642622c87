//! Figures: how they are collected, compared, judged and shown.

mod cpu;
mod flow;
mod latency;
mod machine;
mod pairs;
mod report;
mod table;

pub(crate) use cpu::CpuMeter;
pub(crate) use flow::{Flow, median};
pub(crate) use latency::Latencies;
pub(crate) use machine::{FlushCounter, describe_machine};
pub(crate) use pairs::Ratios;
pub(crate) use report::{Report, Verdict};
pub(crate) use table::{Cell, Table, megabytes, millis};
