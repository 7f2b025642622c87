//! FindCoordinator 0-6: the broker that leads a group's partition of the offsets topic. No coordinator of
//! transactions is served yet, and clients are told so at once.

use std::borrow::Cow;

use millrace_core::meta::{MetadataImage, OFFSETS_TOPIC};
use millrace_wire::messages::find_coordinator_request::FindCoordinatorRequest;
use millrace_wire::messages::find_coordinator_response::{Coordinator, FindCoordinatorResponse};
use millrace_wire::{ErrorCode, Reader};

use crate::api::cluster::brokers::{Reached, reached};
use crate::api::errors::{TRANSACTIONS_NOT_SERVED, generic_message};
use crate::api::request::context::{Outcome, RequestContext, RequestFault};
use crate::api::request::yields::YieldCounter;
use crate::api::topics::creation;

/// First version that asks for several keys.
const FIRST_BATCHED: i16 = 4;
/// First version that may ask for the coordinator of share groups.
const FIRST_WITH_SHARE: i16 = 6;

/// The node id of a response without a broker.
const NO_NODE: i32 = -1;
const NO_PORT: i32 = -1;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
const SHARE: i8 = 2;

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let version = context.version();
    let request = FindCoordinatorRequest::decode(&mut Reader::new(&context.body), version)?;
    if request.key_type == GROUP {
        creation::ensure(&context.server, OFFSETS_TOPIC).await;
    }
    let image = context.server.shard.image();
    let found = |key: &str| match request.key_type {
        GROUP => coordinator_of(&context, &image, key).ok_or(ErrorCode::CoordinatorNotAvailable),
        TRANSACTION => Err(TRANSACTIONS_NOT_SERVED),
        SHARE if version >= FIRST_WITH_SHARE => Err(ErrorCode::CoordinatorNotAvailable),
        _ => Err(ErrorCode::InvalidRequest),
    };
    let mut response = FindCoordinatorResponse::default();
    if version >= FIRST_BATCHED {
        let mut yields = YieldCounter::default();
        for key in &request.coordinator_keys {
            yields.step().await;
            response.coordinators.push(described(key, found(key)));
        }
    } else {
        let only = described(&request.key, found(&request.key));
        response.error_code = only.error_code;
        // As Kafka's, where the batched response has none.
        response.error_message = match only.error_code {
            0 => Some(generic_message(ErrorCode::None).into()),
            _ => only.error_message,
        };
        response.node_id = only.node_id;
        response.host = only.host;
        response.port = only.port;
    }
    context.respond(|writer, version| response.encode(writer, version))
}

fn coordinator_of<'a>(
    context: &'a RequestContext,
    image: &'a MetadataImage,
    group: &str,
) -> Option<Reached<'a>> {
    let leader = image.partition(context.server.shard.coordinator_of_group(group)?)?.leader;
    reached(&context.server, image, context.connection.listener).find(|broker| broker.id == leader)
}

fn described<'a>(key: &Cow<'a, str>, found: Result<Reached<'a>, ErrorCode>) -> Coordinator<'a> {
    match found {
        Ok(broker) => Coordinator {
            key: key.clone(),
            node_id: broker.id.0,
            host: broker.host.into(),
            port: i32::from(broker.port),
            error_code: ErrorCode::None.code(),
            error_message: Some("".into()),
        },
        Err(code) => Coordinator {
            key: key.clone(),
            node_id: NO_NODE,
            host: "".into(),
            port: NO_PORT,
            error_code: code.code(),
            error_message: Some(message(code).into()),
        },
    }
}

/// The code for transactions has another meaning by itself. Tools print this message beside it.
fn message(code: ErrorCode) -> &'static str {
    match code {
        TRANSACTIONS_NOT_SERVED => "Transactions are not served yet: transactional.id cannot be set.",
        code => generic_message(code),
    }
}
