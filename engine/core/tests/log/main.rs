//! The log machines against Kafka's own bytes and verdicts, and against bytes nobody meant.

#[cfg(test)]
mod anything;
#[cfg(test)]
mod cases;
#[cfg(test)]
mod compaction;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod index;
#[cfg(test)]
mod producers;
#[cfg(test)]
mod support;
#[cfg(test)]
mod verdicts;
