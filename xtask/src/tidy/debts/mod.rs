//! The ratchet: where newer rules are still broken, how often, and that it only becomes less.

mod bless;
mod lines;
mod settle;

pub(super) use bless::bless;
pub(super) use lines::DEBTS;
pub(super) use settle::settle;
