//! Metrics that clients push (KIP-714): subscriptions, the clients that push, and what they have pushed.

mod instances;
mod payload;
mod samples;
mod shared;

pub(crate) use instances::{ClientInstanceId, InstanceAge, PushHeader};
pub use payload::count_pushed_values;
pub(crate) use payload::{Reading, decode_push};
pub(crate) use samples::{PushedSample, SampleKind};
pub(crate) use shared::{ClientMetrics, ClientMetricsReport, PushedBy, new_instance_id};
