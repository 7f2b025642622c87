//! PushTelemetry 0: metrics of a client (KIP-714), which `/metrics` shows until it is silent for too long.

use millrace_wire::messages::push_telemetry_request::PushTelemetryRequest;
use millrace_wire::messages::push_telemetry_response::PushTelemetryResponse;
use millrace_wire::{ErrorCode, Reader};

use crate::api::call::{Call, CallFault, Outcome};
use crate::telemetry::{InstanceId, PushHead, Reading, decode_push};

pub(crate) async fn handle(call: Call) -> Result<Outcome, CallFault> {
    let request = PushTelemetryRequest::decode(&mut Reader::new(&call.body), call.version())?;
    let code = push(&call, &request).await.err().unwrap_or(ErrorCode::None);
    let response = PushTelemetryResponse { error_code: code.code(), ..PushTelemetryResponse::default() };
    call.answer(|writer, version| response.encode(writer, version))
}

async fn push(call: &Call, request: &PushTelemetryRequest<'_>) -> Result<(), ErrorCode> {
    let id = InstanceId(request.client_instance_id);
    if id.is_reserved() {
        return Err(ErrorCode::InvalidRequest);
    }
    let host = &call.host;
    let metrics = host.node.client_metrics();
    let client = call.pushed_by(id);
    let (_, terms) = metrics.wanted(host.shard.image().client_metrics(), id, &client).await;
    let head = PushHead {
        subscription_id: request.subscription_id,
        is_last: request.terminating,
        compression: request.compression_type,
        bytes: request.metrics.len(),
    };
    let bytes_max = host.telemetry_bytes_max();
    let (known, admitted) = metrics.push(id, terms, &head, bytes_max, millrace_rt::now());
    call.caller.note_instance(id, known);
    let (codec, before) = admitted?;
    if request.metrics.is_empty() {
        return Ok(());
    }
    let reading = Reading {
        codec,
        metrics: call.body.slice_ref(&request.metrics),
        bytes_max,
        labels: client.labels(),
        before,
        samples_bytes_max: metrics.client_bytes_max(),
    };
    let _turn = host.pushes.turn().await;
    let read = millrace_rt::aside(move || decode_push(&reading)).await;
    metrics.keep(id, request.metrics.len(), read)
}
