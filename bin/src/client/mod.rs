//! What the commands for users of a cluster share: how they reach it, what they print, and how they end.

mod arguments;
mod clock;
mod logs;
mod moment;
mod outcome;
pub(crate) mod output;
mod position;
mod profiles;
mod run;
mod setting;

pub(crate) use arguments::{ClusterArguments, CommonArguments, OutputArguments};
pub(crate) use clock::{Stopwatch, now_ms, sleep};
pub(crate) use logs::{Logs, places_of};
pub(crate) use outcome::Done;
pub(crate) use output::{Table, complain};
pub(crate) use position::{Position, Sought, within};
pub(crate) use profiles::{Profile, Profiles};
pub(crate) use run::{finish, run};
pub(crate) use setting::read_setting;
