//! docs/formats.md says of each byte on disk what the encoders write. `MILLRACE_BLESS=1` rewrites its tables.
//!
//! Each table is made from a list of fields with the bytes that they have in a sample. Put together, these
//! bytes have to be what the encoder makes of the sample: so no field stands at another offset, or has
//! another size, than the page says.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[cfg(test)]
mod checkpoint;
#[cfg(test)]
#[path = "../support/document.rs"]
mod document;
#[cfg(test)]
mod field;
#[cfg(test)]
mod group_records;
#[cfg(test)]
mod index;
#[cfg(test)]
mod journal;
#[cfg(test)]
mod metadata;
#[cfg(test)]
mod segment;
