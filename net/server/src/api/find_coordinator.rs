//! FindCoordinator 0-6: no group or transaction coordinator is served yet, and clients are told to ask again.

use millrace_wire::messages::find_coordinator_request::FindCoordinatorRequest;
use millrace_wire::messages::find_coordinator_response::{Coordinator, FindCoordinatorResponse};
use millrace_wire::{ErrorCode, Reader};

use crate::api::call::{Call, CallFault, Outcome};
use crate::errors::generic_message;

/// First version that asks for several keys.
const FIRST_BATCHED: i16 = 4;
/// First version that may ask for the coordinator of share groups.
const FIRST_WITH_SHARE: i16 = 6;

/// The node of an answer that names none.
const NO_NODE: i32 = -1;
const NO_PORT: i32 = -1;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
const SHARE: i8 = 2;

pub(crate) async fn handle(call: Call) -> Result<Outcome, CallFault> {
    let version = call.version();
    let request = FindCoordinatorRequest::decode(&mut Reader::new(&call.body), version)?;
    let code = match request.key_type {
        GROUP | TRANSACTION => ErrorCode::CoordinatorNotAvailable,
        SHARE if version >= FIRST_WITH_SHARE => ErrorCode::CoordinatorNotAvailable,
        _ => ErrorCode::InvalidRequest,
    };
    let mut response = FindCoordinatorResponse::default();
    if version >= FIRST_BATCHED {
        let coordinators = request.coordinator_keys.iter().map(|key| Coordinator {
            key: key.clone(),
            node_id: NO_NODE,
            host: "".into(),
            port: NO_PORT,
            error_code: code.code(),
            error_message: Some(generic_message(code).into()),
        });
        response.coordinators = coordinators.collect();
    } else {
        response.error_code = code.code();
        response.error_message = Some(generic_message(code).into());
        response.node_id = NO_NODE;
        response.port = NO_PORT;
    }
    call.answer(|writer, version| response.encode(writer, version))
}
