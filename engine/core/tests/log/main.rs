//! The log machines against Kafka's own bytes and verdicts, and against bytes nobody meant.

mod anything;
mod cases;
mod golden;
mod index;
mod producers;
mod support;
mod verdicts;
