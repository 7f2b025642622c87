//! DescribeCluster 0-2: the brokers of the cluster, as tools ask for them.

use std::borrow::Cow;

use millrace_wire::messages::describe_cluster_request::DescribeClusterRequest;
use millrace_wire::messages::describe_cluster_response::{DescribeClusterBroker, DescribeClusterResponse};
use millrace_wire::{ErrorCode, Reader};

use crate::api::brokers;
use crate::api::call::{Call, CallFault, Outcome};
use crate::api::topics::{CLUSTER_OPERATIONS, OPERATIONS_NOT_ASKED};

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

pub(crate) async fn handle(call: Call) -> Result<Outcome, CallFault> {
    let version = call.version();
    let request = DescribeClusterRequest::decode(&mut Reader::new(&call.body), version)?;
    let refused = match request.endpoint_type {
        BROKERS => None,
        CONTROLLERS => Some((
            ErrorCode::MismatchedEndpointType,
            Cow::Borrowed(
                "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER",
            ),
        )),
        other => Some((
            ErrorCode::UnsupportedEndpointType,
            Cow::Owned(format!("Unsupported endpoint type {other}")),
        )),
    };
    if let Some((code, message)) = refused {
        let response = DescribeClusterResponse {
            error_code: code.code(),
            error_message: Some(message),
            ..DescribeClusterResponse::default()
        };
        return call.answer(|writer, version| response.encode(writer, version));
    }
    let host = &call.host;
    let image = host.shard.image();
    let brokers = brokers::reached(host, &image, call.caller.listener).map(|broker| DescribeClusterBroker {
        broker_id: broker.id.0,
        host: broker.host.into(),
        port: i32::from(broker.port),
        rack: broker.rack.map(Cow::Borrowed),
        is_fenced: false,
    });
    let response = DescribeClusterResponse {
        endpoint_type: BROKERS,
        cluster_id: image.cluster_id().into(),
        controller_id: host.node.config().node_id().0,
        brokers: brokers.collect(),
        cluster_authorized_operations: match request.include_cluster_authorized_operations {
            true => CLUSTER_OPERATIONS,
            false => OPERATIONS_NOT_ASKED,
        },
        ..DescribeClusterResponse::default()
    };
    call.answer(|writer, version| response.encode(writer, version))
}
