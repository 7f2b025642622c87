//! A listener of controllers: found through the broker's, and serving what tools ask a controller.

use std::net::SocketAddr;

use millrace_wire::messages::describe_cluster_request::DescribeClusterRequest;
use millrace_wire::messages::describe_cluster_response::DescribeClusterResponse;
use millrace_wire::messages::describe_quorum_request::{DescribeQuorumRequest, PartitionData, TopicData};
use millrace_wire::messages::describe_quorum_response::DescribeQuorumResponse;
use millrace_wire::{ApiKey, Reader};

use crate::client::{Client, HEADER_BYTES};
use crate::stage::play;

const DESCRIBE_CLUSTER: i16 = 2;
const DESCRIBE_QUORUM: i16 = 2;
const MISMATCHED_ENDPOINT_TYPE: i16 = 114;

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

/// Any port for the controller, as the broker's own listener may have it.
const KEYS: &[(&str, &str)] = &[
    ("controller.listener.names", "CONTROLLER,OTHER"),
    ("listeners", "CONTROLLER://10.0.0.1:0,PLAINTEXT://10.0.0.1:9092,OTHER://10.0.0.1:9094"),
];

impl Client {
    /// Names and ports of the controller's listeners.
    async fn controller_listeners(&mut self) -> Vec<(String, u16)> {
        let log = TopicData {
            topic_name: "__cluster_metadata".into(),
            partitions: vec![PartitionData { partition_index: 0 }],
        };
        let request = DescribeQuorumRequest { topics: vec![log] };
        self.send(ApiKey::DescribeQuorum, DESCRIBE_QUORUM, |writer, version| request.encode(writer, version))
            .await;
        let body = self.response().await.expect("the quorum is described").slice(HEADER_BYTES..);
        let response = DescribeQuorumResponse::decode(&mut Reader::new(&body), DESCRIBE_QUORUM).unwrap();
        let listeners = response.nodes[0].listeners.iter();
        listeners.map(|listener| (listener.name.to_string(), listener.port)).collect()
    }

    /// The error, and the ports of the nodes.
    async fn nodes(&mut self, endpoint_type: i8) -> (i16, Vec<i32>) {
        let request = DescribeClusterRequest { endpoint_type, ..DescribeClusterRequest::default() };
        self.send(ApiKey::DescribeCluster, DESCRIBE_CLUSTER, |writer, version| {
            request.encode(writer, version)
        })
        .await;
        let body = self.response().await.expect("the cluster is described").slice(HEADER_BYTES..);
        let response = DescribeClusterResponse::decode(&mut Reader::new(&body), DESCRIBE_CLUSTER).unwrap();
        (response.error_code, response.brokers.iter().map(|node| node.port).collect())
    }
}

#[test]
fn a_controller_is_found_through_the_broker() {
    play(2, KEYS, async |stage| {
        let mut client = Client::connect(stage.address).await;
        assert_eq!(client.nodes(BROKERS).await, (0, vec![9092]));
        assert_eq!(client.nodes(CONTROLLERS).await, (MISMATCHED_ENDPOINT_TYPE, vec![]));
        let listeners = client.controller_listeners().await;
        let names: Vec<&str> = listeners.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["CONTROLLER", "OTHER"]);
        assert_ne!(listeners[0].1, 0, "the port that is open");
        assert_eq!(listeners[1].1, 9094);
        for (_, port) in listeners {
            let mut tool = Client::connect(SocketAddr::new(stage.address.ip(), port)).await;
            assert_eq!(
                tool.nodes(CONTROLLERS).await,
                (0, vec![i32::from(port)]),
                "itself, as it is reached there"
            );
            assert_eq!(tool.nodes(BROKERS).await, (MISMATCHED_ENDPOINT_TYPE, vec![]));
        }
    });
}

#[test]
fn topics_are_made_at_a_controller_and_used_at_the_broker() {
    play(2, KEYS, async |stage| {
        let mut client = Client::connect(stage.address).await;
        let controller = SocketAddr::new(stage.address.ip(), 9094);
        // On every shard.
        for number in 0..4 {
            let name = format!("t{number}");
            let mut tool = Client::connect(controller).await;
            assert_eq!(tool.create_topic(&name, 1).await, 0);
            assert_eq!(client.produce(&name, 0, b"value").await, (0, 0));
            tool.send_metadata().await;
            assert_eq!(tool.response().await, None, "whoever asks a controller as a broker is closed");
        }
        let mut tool = Client::connect(controller).await;
        tool.send_produce("t0", 0, -1, b"value").await;
        assert_eq!(tool.response().await, None);
        assert_eq!(client.produce("t0", 0, b"value").await, (0, 1), "nothing came of it");
    });
}
