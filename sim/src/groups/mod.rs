//! Consumer groups in a simulated world: members speak the classic protocol with the whole broker, they
//! leave, freeze, return and crash, and so does the broker;
//! what they were told of offsets and assignments must stay true.
//!
//! `plan` says who is in which group, `member` is one member as a client, `conduct` what befalls it by way of
//! its `mood`, `joining` and `offsets_requests` are its requests, `assignor` is what leaders do, `observer`
//! asks for everything again and again, `consumer` is a member of the one group of the consumer protocol,
//! `elder` one of it that speaks the classic protocol, so that the group turns back and forth, `offsets`,
//! `generations` and `consumers` judge, `course` is a broker with its clients,
//! `run` the course of one seed, `case` that of a sweep.

mod assignor;
mod case;
mod conduct;
mod consumer;
mod consumers;
mod course;
mod elder;
mod flow;
mod generations;
mod joining;
mod ledger;
mod member;
mod mood;
mod observer;
mod offsets;
mod offsets_requests;
mod plan;
mod run;

pub(crate) use case::run_case;
pub(crate) use plan::GroupsPlan;
pub use run::{GroupReport, run_planted, run_seed};
