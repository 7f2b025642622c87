//! UnregisterBroker 0: takes a broker that is gone for good out of the cluster; the only one stays in it.

use std::borrow::Cow;

use millrace_core::base::BrokerId;
use millrace_wire::messages::unregister_broker_request::UnregisterBrokerRequest;
use millrace_wire::messages::unregister_broker_response::UnregisterBrokerResponse;
use millrace_wire::{ErrorCode, Reader};

use crate::api::call::{Call, CallFault, Outcome};

pub(crate) async fn handle(call: Call) -> Result<Outcome, CallFault> {
    let request = UnregisterBrokerRequest::decode(&mut Reader::new(&call.body), call.version())?;
    let id = request.broker_id;
    // Only this node registers itself, and nothing would lead its partitions without it.
    let (code, message) = match call.host.shard.image().broker(BrokerId(id)) {
        Some(_) => {
            (ErrorCode::InvalidRequest, format!("Broker ID {id} is this broker, which serves this request."))
        }
        None => (ErrorCode::BrokerIdNotRegistered, format!("Broker ID {id} is not currently registered")),
    };
    let response = UnregisterBrokerResponse {
        error_code: code.code(),
        error_message: Some(Cow::Owned(message)),
        ..UnregisterBrokerResponse::default()
    };
    call.answer(|writer, version| response.encode(writer, version))
}
