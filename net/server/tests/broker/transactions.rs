//! What a client is told that asks for transactions, which are not served yet: no, at once, and for good.

use millrace_wire::messages::find_coordinator_request::FindCoordinatorRequest;
use millrace_wire::messages::find_coordinator_response::FindCoordinatorResponse;
use millrace_wire::messages::init_producer_id_request::InitProducerIdRequest;
use millrace_wire::messages::init_producer_id_response::InitProducerIdResponse;
use millrace_wire::{ApiKey, ErrorCode, Reader};

use crate::client::{Client, HEADER_BYTES};
use crate::stage::play;

const FIND_COORDINATOR: i16 = 4;
const INIT_PRODUCER_ID: i16 = 4;
/// The type of a key that is a transactional id.
const TRANSACTION: i8 = 1;

#[test]
fn no_client_waits_for_transactions() {
    play(2, &[], async |stage| {
        let refused = ErrorCode::TransactionalIdAuthorizationFailed.code();
        let mut client = Client::connect(stage.address).await;
        let request = FindCoordinatorRequest {
            key_type: TRANSACTION,
            coordinator_keys: vec!["a".into(), "b".into()],
            ..FindCoordinatorRequest::default()
        };
        client
            .send(ApiKey::FindCoordinator, FIND_COORDINATOR, |writer, version| {
                request.encode(writer, version)
            })
            .await;
        let body = client.response().await.expect("a response").slice(HEADER_BYTES..);
        let found = FindCoordinatorResponse::decode(&mut Reader::new(&body), FIND_COORDINATOR).unwrap();
        let responses = found.coordinators.iter().map(|coordinator| {
            let message = coordinator.error_message.as_deref().unwrap_or_default();
            (coordinator.error_code, message.starts_with("Transactions are not served"))
        });
        assert_eq!(responses.collect::<Vec<_>>(), [(refused, true), (refused, true)]);

        for (transactional_id, expected) in [(Some("a"), refused), (None, ErrorCode::None.code())] {
            let request = InitProducerIdRequest {
                transactional_id: transactional_id.map(Into::into),
                ..InitProducerIdRequest::default()
            };
            client
                .send(ApiKey::InitProducerId, INIT_PRODUCER_ID, |writer, version| {
                    request.encode(writer, version)
                })
                .await;
            let body = client.response().await.expect("a response").slice(HEADER_BYTES..);
            let response = InitProducerIdResponse::decode(&mut Reader::new(&body), INIT_PRODUCER_ID).unwrap();
            assert_eq!(response.error_code, expected);
        }
    });
}
