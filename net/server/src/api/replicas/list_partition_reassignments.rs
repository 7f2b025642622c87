//! ListPartitionReassignments 0: the moves under way; with one broker there are none (KIP-455).

use millrace_wire::Reader;
use millrace_wire::messages::list_partition_reassignments_request::ListPartitionReassignmentsRequest;
use millrace_wire::messages::list_partition_reassignments_response::ListPartitionReassignmentsResponse;

use crate::api::request::context::{Outcome, RequestContext, RequestFault};

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    // As in Kafka, topics and partitions that do not exist are left out.
    ListPartitionReassignmentsRequest::decode(&mut Reader::new(&context.body), context.version())?;
    let response = ListPartitionReassignmentsResponse {
        error_message: None,
        ..ListPartitionReassignmentsResponse::default()
    };
    context.respond(|writer, version| response.encode(writer, version))
}
