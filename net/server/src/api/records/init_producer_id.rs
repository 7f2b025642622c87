//! InitProducerId 0-5: ids of idempotent producers; transactional ones have no coordinator yet.

use millrace_wire::messages::init_producer_id_request::InitProducerIdRequest;
use millrace_wire::messages::init_producer_id_response::InitProducerIdResponse;
use millrace_wire::{ErrorCode, Reader};

use crate::api::errors::TRANSACTIONS_NOT_SERVED;
use crate::api::request::context::{Outcome, RequestContext, RequestFault};

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let version = context.version();
    let request = InitProducerIdRequest::decode(&mut Reader::new(&context.body), version)?;
    let code = check(&request);
    let mut response = InitProducerIdResponse {
        error_code: code.code(),
        producer_id: -1,
        producer_epoch: -1,
        ..InitProducerIdResponse::default()
    };
    if code == ErrorCode::None {
        match context.server.shard.allocate_producer_id().await {
            Ok(id) => (response.producer_id, response.producer_epoch) = (id.0, 0),
            Err(_) => response.error_code = ErrorCode::KafkaStorageError.code(),
        }
    }
    context.respond(|writer, version| response.encode(writer, version))
}

/// Id and epoch come together or not at all (`KafkaApis.handleInitProducerIdRequest`); without a
/// transactional id they are ignored.
fn check(request: &InitProducerIdRequest<'_>) -> ErrorCode {
    if (request.producer_id == -1) != (request.producer_epoch == -1) {
        return ErrorCode::InvalidRequest;
    }
    match request.transactional_id.as_deref() {
        None => ErrorCode::None,
        Some("") => ErrorCode::InvalidRequest,
        Some(_) => TRANSACTIONS_NOT_SERVED,
    }
}
