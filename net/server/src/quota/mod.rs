//! Client quotas: the limits of each client, what a request costs, and how long its connection rests.

mod addresses;
mod limits;
mod meter;
mod meters;
mod request;

pub(crate) use addresses::{AddressRates, addresses_of};
pub(crate) use limits::{Held, Limits};
pub(crate) use meter::Meter;
pub(crate) use meters::{MeterReport, Meters};
pub(crate) use request::{LimitedRequest, Mutations, timed, timed_to_the_end};
