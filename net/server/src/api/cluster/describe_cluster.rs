//! DescribeCluster 0-2: the brokers of the cluster, as tools ask for them, or its controllers (KIP-919).

use std::borrow::Cow;

use millrace_wire::messages::describe_cluster_request::DescribeClusterRequest;
use millrace_wire::messages::describe_cluster_response::{DescribeClusterBroker, DescribeClusterResponse};
use millrace_wire::{ErrorCode, Reader};

use crate::api::cluster::brokers;
use crate::api::request::context::{Outcome, RequestContext, RequestFault};
use crate::api::request::operations::{CLUSTER_OPERATIONS, OPERATIONS_NOT_ASKED};
use crate::broker::addresses::EndpointType;

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let version = context.version();
    let request = DescribeClusterRequest::decode(&mut Reader::new(&context.body), version)?;
    let own = context.connection.endpoint_type;
    let refused = match endpoint_type(request.endpoint_type) {
        Some(asked) if asked == own => None,
        // The request's first version has no place for the type.
        Some(asked) => Some((
            match version {
                0 => ErrorCode::InvalidRequest,
                _ => ErrorCode::MismatchedEndpointType,
            },
            format!(
                "The request was sent to an endpoint of type {}, but we wanted an endpoint of type {}",
                name(own),
                name(asked)
            ),
        )),
        None => Some((
            ErrorCode::UnsupportedEndpointType,
            format!("Unsupported endpoint type {}", request.endpoint_type),
        )),
    };
    if let Some((code, message)) = refused {
        let response = DescribeClusterResponse {
            error_code: code.code(),
            error_message: Some(message.into()),
            ..DescribeClusterResponse::default()
        };
        return context.respond(|writer, version| response.encode(writer, version));
    }
    let server = &context.server;
    let image = server.shard.image();
    let brokers =
        brokers::reached(server, &image, context.connection.listener).map(|broker| DescribeClusterBroker {
            broker_id: broker.id.0,
            host: broker.host.into(),
            port: i32::from(broker.port),
            rack: broker.rack.map(Cow::Borrowed),
            is_fenced: false,
        });
    let response = DescribeClusterResponse {
        endpoint_type: number(own),
        cluster_id: image.cluster_id().into(),
        controller_id: server.broker.config().node_id().0,
        brokers: brokers.collect(),
        cluster_authorized_operations: match request.include_cluster_authorized_operations {
            true => CLUSTER_OPERATIONS,
            false => OPERATIONS_NOT_ASKED,
        },
        ..DescribeClusterResponse::default()
    };
    context.respond(|writer, version| response.encode(writer, version))
}

fn number(endpoint_type: EndpointType) -> i8 {
    match endpoint_type {
        EndpointType::Broker => 1,
        EndpointType::Controller => 2,
    }
}

fn endpoint_type(asked: i8) -> Option<EndpointType> {
    [EndpointType::Broker, EndpointType::Controller].into_iter().find(|known| number(*known) == asked)
}

fn name(endpoint_type: EndpointType) -> &'static str {
    match endpoint_type {
        EndpointType::Broker => "BROKER",
        EndpointType::Controller => "CONTROLLER",
    }
}
