//! GetTelemetrySubscriptions 0: which of its metrics a client is to push, and how often (KIP-714).

use millrace_core::log::Codec;
use millrace_wire::messages::get_telemetry_subscriptions_request::GetTelemetrySubscriptionsRequest;
use millrace_wire::messages::get_telemetry_subscriptions_response::GetTelemetrySubscriptionsResponse;
use millrace_wire::{ErrorCode, Reader};

use crate::api::request::context::{Outcome, RequestContext, RequestFault};
use crate::telemetry::{ClientInstanceId, new_instance_id};

/// Clients take the first that they have; Kafka's order.
const ACCEPTED: [Codec; 4] = [Codec::Zstd, Codec::Lz4, Codec::Gzip, Codec::Snappy];

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let request =
        GetTelemetrySubscriptionsRequest::decode(&mut Reader::new(&context.body), context.version())?;
    let id = match request.client_instance_id.is_zero() {
        true => new_instance_id(),
        false => ClientInstanceId(request.client_instance_id),
    };
    let server = &context.server;
    let metrics = server.broker.client_metrics();
    let client = context.pushed_by(id);
    let (wanted, terms) = metrics.wanted(server.shard.image().client_metrics(), id, &client).await;
    let (known, result) = metrics.ask(id, terms, millrace_rt::now());
    context.connection.note_instance(id, known);
    let response = match result {
        Ok(()) => GetTelemetrySubscriptionsResponse {
            error_code: ErrorCode::None.code(),
            client_instance_id: id.0,
            subscription_id: terms.subscription_id,
            accepted_compression_types: ACCEPTED.map(|codec| codec.id() as i8).to_vec(),
            push_interval_ms: wanted.interval_ms,
            telemetry_max_bytes: i32::try_from(server.telemetry_bytes_max()).unwrap_or(i32::MAX),
            delta_temporality: true,
            requested_metrics: wanted.metrics.iter().map(|name| name.as_str().into()).collect(),
            ..GetTelemetrySubscriptionsResponse::default()
        },
        Err(code) => GetTelemetrySubscriptionsResponse {
            error_code: code.code(),
            ..GetTelemetrySubscriptionsResponse::default()
        },
    };
    context.respond(|writer, version| response.encode(writer, version))
}
