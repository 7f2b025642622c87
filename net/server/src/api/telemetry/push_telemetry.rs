//! PushTelemetry 0: metrics of a client (KIP-714), which `/metrics` shows until it is silent for too long.

use millrace_wire::messages::push_telemetry_request::PushTelemetryRequest;
use millrace_wire::messages::push_telemetry_response::PushTelemetryResponse;
use millrace_wire::{ErrorCode, Reader};

use crate::api::request::context::{Outcome, RequestContext, RequestFault};
use crate::telemetry::{ClientInstanceId, PushHeader, Reading, decode_push};

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let request = PushTelemetryRequest::decode(&mut Reader::new(&context.body), context.version())?;
    let code = push(&context, &request).await.err().unwrap_or(ErrorCode::None);
    let response = PushTelemetryResponse { error_code: code.code(), ..PushTelemetryResponse::default() };
    context.respond(|writer, version| response.encode(writer, version))
}

async fn push(context: &RequestContext, request: &PushTelemetryRequest<'_>) -> Result<(), ErrorCode> {
    let id = ClientInstanceId(request.client_instance_id);
    if id.is_reserved() {
        return Err(ErrorCode::InvalidRequest);
    }
    let server = &context.server;
    let metrics = server.broker.client_metrics();
    let client = context.pushed_by(id);
    let (_, terms) = metrics.wanted(server.shard.image().client_metrics(), id, &client).await;
    let header = PushHeader {
        subscription_id: request.subscription_id,
        is_last: request.terminating,
        compression: request.compression_type,
        bytes: request.metrics.len(),
    };
    let bytes_max = server.telemetry_bytes_max();
    let (known, admitted) = metrics.push(id, terms, &header, bytes_max, millrace_rt::now());
    context.connection.note_instance(id, known);
    let (codec, before) = admitted?;
    if request.metrics.is_empty() {
        return Ok(());
    }
    let reading = Reading {
        codec,
        metrics: context.body.slice_ref(&request.metrics),
        bytes_max,
        labels: client.labels(),
        before,
        samples_bytes_max: metrics.client_bytes_max(),
    };
    let _turn = server.pushes.turn().await;
    let read = millrace_rt::aside(move || decode_push(&reading)).await;
    metrics.keep(id, request.metrics.len(), read)
}
