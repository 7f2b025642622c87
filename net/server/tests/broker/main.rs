//! The whole server in a simulated world, seen by clients that send any bytes they like.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test that is surprised ends")]

mod administration;
mod client;
mod cold;
mod controllers;
mod copies;
mod egress;
mod features;
mod greedy;
mod group_bounds;
mod group_shapes;
mod groups;
mod growth;
mod lengths;
mod quotas;
mod settings;
mod shapes;
mod slow;
mod space;
mod stage;
mod transactions;
mod watches;

use std::time::Duration;

use client::{Client, framed, header, produced};
use millrace_rt::{now, sleep, timeout};
use millrace_wire::ApiKey;
use stage::play;

#[test]
fn records_come_back() {
    play(2, &[], async |stage| {
        let mut client = Client::connect(stage.address).await;
        client.create_topic("t", 4).await;
        for partition in 0..4 {
            for offset in 0..5 {
                assert_eq!(
                    client.produce("t", partition, b"value").await,
                    (0, offset),
                    "partition {partition}"
                );
            }
            assert!(client.fetch("t", partition, 0, 100).await > 5 * 61);
            assert_eq!(client.fetch("t", partition, 5, 100).await, 0);
        }
    });
}

#[test]
fn responses_leave_in_request_order() {
    play(2, &[], async |stage| {
        let mut client = Client::connect(stage.address).await;
        client.create_topic("t", 2).await;
        let mut sent = Vec::new();
        for round in 0..20 {
            for partition in [0, 1, 1, 0] {
                sent.push(client.send_produce("t", partition, -1, b"value").await);
            }
            sent.push(client.send_metadata().await);
            if round % 5 == 0 {
                sent.push(client.send_fetch("t", 0, 0, 50).await);
            }
        }
        for id in sent {
            assert_eq!(client.response_id().await, Some(id));
        }
    });
}

#[test]
fn pipelined_appends_keep_their_order() {
    play(2, &[], async |stage| {
        let mut client = Client::connect(stage.address).await;
        client.create_topic("t", 1).await;
        // More than a connection may have under way at once.
        const REQUESTS: i64 = 300;
        for _ in 0..REQUESTS {
            client.send_produce("t", 0, -1, b"value").await;
        }
        for offset in 0..REQUESTS {
            assert_eq!(produced(&client.response().await.unwrap()), (0, offset));
        }
    });
}

#[test]
fn bytes_that_are_no_request_close_the_connection() {
    play(1, &[], async |stage| {
        let body = |key, version, rest: &[u8]| framed(&[header(key, version), rest.to_vec()].concat());
        for (what, bytes) in [
            ("length 0", vec![0, 0, 0, 0]),
            ("negative length", vec![0xff; 4]),
            ("longer than any request", vec![0x7f, 0xff, 0xff, 0xff]),
            ("no header", framed(&[0, 0, 0])),
            ("unknown key", body(999, 0, &[])),
            ("removed key", body(4, 0, &[])),
            ("old version", body(0, 2, &[])),
            ("unstable version", body(22, 6, &[])),
            ("cut body", body(1, 4, &[0, 0, 0])),
            ("array that claims too much", body(3, 1, &[0x7f, 0xff, 0xff, 0xff])),
        ] {
            let mut client = Client::connect(stage.address).await;
            client.raw(&bytes).await;
            assert_eq!(client.response().await, None, "{what}");
        }
        let mut client = Client::connect(stage.address).await;
        client.send_metadata().await;
        client.raw(&[0xff; 4]).await;
        assert!(client.response().await.is_some(), "what came before the bad bytes is answered");
        assert_eq!(client.response().await, None);
    });
}

#[test]
fn an_unknown_version_of_api_versions_is_answered() {
    play(1, &[], async |stage| {
        let mut client = Client::connect(stage.address).await;
        client.raw(&framed(&[header(18, 99), vec![0]].concat())).await;
        let response = client.response().await.unwrap();
        assert_eq!(response[..], [0, 0, 0, 1, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4]);
        client.send_metadata().await;
        assert!(client.response().await.is_some());
    });
}

#[test]
fn requests_without_acks_get_no_answer() {
    play(1, &[], async |stage| {
        let mut client = Client::connect(stage.address).await;
        client.create_topic("t", 1).await;
        client.send_produce("t", 0, 0, b"value").await;
        let next = client.send_metadata().await;
        assert_eq!(client.response_id().await, Some(next));
        assert_eq!(client.produce("t", 0, b"value").await, (0, 1));
        client.send_produce("nowhere", 0, 0, b"value").await;
        assert_eq!(client.response().await, None, "an error closes");
    });
}

#[test]
fn announcements_cost_nothing() {
    play(1, &[], async |stage| {
        let before = stage.memory_peak.get();
        let mut silent = Vec::new();
        for _ in 0..1000 {
            let client = Client::connect(stage.address).await;
            // Below the bound on frames that 64 MiB of memory allow.
            client.raw(&[0, 0x70, 0, 0]).await;
            silent.push(client);
        }
        sleep(Duration::from_millis(100)).await;
        let grown = stage.memory_peak.get().saturating_sub(before);
        assert!(grown < 8 << 20, "1,000 connections that only announce hold {grown} bytes");
        let mut client = Client::connect(stage.address).await;
        client.create_topic("t", 1).await;
        assert_eq!(client.produce("t", 0, &[7; 100_000]).await, (0, 0));
    });
}

#[test]
fn a_connection_that_holds_memory_without_using_it_gives_way() {
    play(1, &[], async |stage| {
        let mut hoarders = Vec::new();
        for _ in 0..40 {
            let client = Client::connect(stage.address).await;
            client.raw(&[0, 0x70, 0, 0]).await;
            client.raw(&vec![0; 1 << 20]).await;
            hoarders.push(client);
        }
        let mut client = Client::connect(stage.address).await;
        client.create_topic("t", 1).await;
        let produced = timeout(Duration::from_secs(60), client.produce("t", 0, &[7; 900_000])).await;
        assert_eq!(produced, Some((0, 0)));
    });
}

#[test]
fn idle_connections_are_closed() {
    play(1, &[("connections.max.idle.ms", "1000")], async |stage| {
        let mut idle = Client::connect(stage.address).await;
        let mut busy = Client::connect(stage.address).await;
        let start = now();
        for _ in 0..10 {
            sleep(Duration::from_millis(300)).await;
            busy.send_metadata().await;
            assert!(busy.response().await.is_some(), "a connection in use stays");
        }
        assert_eq!(idle.response().await, None);
        assert!(now() - start < Duration::from_secs(4));
    });
}

#[test]
fn a_connection_moves_to_its_data() {
    play(2, &[], async |stage| {
        let mut clients = [Client::connect(stage.address).await, Client::connect(stage.address).await];
        clients[0].create_topic("t", 2).await;
        for _ in 0..100 {
            for client in &mut clients {
                client.produce("t", 0, b"value").await;
            }
        }
        let mut connections = stage.context.connections();
        connections.sort_unstable();
        assert_eq!(connections, [0, 2], "both went to the owner of the partition");
        let last = clients[0].produce("t", 0, b"value").await;
        assert_eq!(last, (0, 200));
    });
}

#[test]
fn a_stop_does_not_wait_for_fetches() {
    play(2, &[], async |stage| {
        let mut client = Client::connect(stage.address).await;
        client.create_topic("t", 1).await;
        client.send_fetch("t", 0, 0, i32::MAX).await;
        sleep(Duration::from_millis(10)).await;
        stage.context.stop();
        assert_eq!(client.response().await, None);
    });
}

#[test]
fn versions_are_advertised_as_served() {
    use millrace_wire::messages::api_versions_request::ApiVersionsRequest;
    play(1, &[], async |stage| {
        let mut client = Client::connect(stage.address).await;
        let request =
            ApiVersionsRequest { client_software_name: "a".into(), client_software_version: "1".into() };
        client.send(ApiKey::ApiVersions, 4, |writer, version| request.encode(writer, version)).await;
        let response = client.response().await.unwrap();
        assert_eq!(response[4..6], [0, 0], "no error");
    });
}
