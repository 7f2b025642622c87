//! UnregisterBroker 0: removes a broker that is gone for good from the cluster. The only broker stays.

use std::borrow::Cow;

use millrace_core::base::BrokerId;
use millrace_wire::messages::unregister_broker_request::UnregisterBrokerRequest;
use millrace_wire::messages::unregister_broker_response::UnregisterBrokerResponse;
use millrace_wire::{ErrorCode, Reader};

use crate::api::request::context::{Outcome, RequestContext, RequestFault};

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let request = UnregisterBrokerRequest::decode(&mut Reader::new(&context.body), context.version())?;
    let id = request.broker_id;
    // Only this broker is registered, and no other could lead its partitions.
    let (code, message) = match context.server.shard.image().broker(BrokerId(id)) {
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
    context.respond(|writer, version| response.encode(writer, version))
}
