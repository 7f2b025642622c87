//! An embedded broker on real threads and sockets, scraped over HTTP.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, clippy::disallowed_types)]

mod documents;
mod http;
mod kafka;
mod metrics;
mod readers;
mod running;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use http::get;
use kafka::Client;
use metrics::Metrics;
use running::Running;

#[test]
fn metrics_count_what_clients_did() {
    let broker = Running::start("counts", 2, &[]);
    let mut client = Client::connect(broker.address);
    client.create_topic("orders", 4);
    for partition in 0..4 {
        for _ in 0..10 {
            assert_eq!(client.produce("orders", partition, &[7; 1000]), 0);
        }
        assert!(client.fetch("orders", partition) > 10_000);
    }
    assert_eq!(client.produce("orders", 9, b"nowhere"), 3, "unknown partition");
    let metrics = Metrics::scrape(broker.admin);
    for (sample, value) in [
        ("kafka_server_kafkaserver_brokerstate", 3.0),
        ("kafka_server_brokertopicmetrics_messagesin_total", 40.0),
        ("kafka_server_brokertopicmetrics_messagesin_total{topic=\"orders\"}", 40.0),
        ("kafka_server_brokertopicmetrics_totalproducerequests_total", 41.0),
        ("kafka_server_brokertopicmetrics_failedproducerequests_total", 1.0),
        ("kafka_server_brokertopicmetrics_failedproducerequests_total{topic=\"orders\"}", 0.0),
        ("kafka_server_brokertopicmetrics_totalfetchrequests_total{topic=\"orders\"}", 4.0),
        ("kafka_network_requestmetrics_requests_total{request=\"Produce\",version=\"9\"}", 41.0),
        (
            "kafka_network_requestmetrics_errors_total{request=\"Produce\",error=\"UNKNOWN_TOPIC_OR_PARTITION\"}",
            1.0,
        ),
        ("kafka_server_replicamanager_partitioncount", 4.0),
        ("kafka_controller_kafkacontroller_activecontrollercount", 1.0),
        ("kafka_controller_kafkacontroller_offlinepartitionscount", 0.0),
        ("kafka_controller_kafkacontroller_globaltopiccount", 1.0),
        ("kafka_log_log_logendoffset{topic=\"orders\",partition=\"2\"}", 10.0),
        ("millrace_ready", 1.0),
        ("millrace_shards_not_answering", 0.0),
        ("millrace_connections_accepted_total{shard=\"0\"}", 1.0),
    ] {
        assert_eq!(metrics.value(sample), value, "{sample}");
    }
    let (bytes_in, size) =
        (metrics.value("kafka_server_brokertopicmetrics_bytesin_total"), metrics.sum("kafka_log_log_size"));
    assert!(bytes_in > 40_000.0 && bytes_in == size, "{bytes_in} {size}");
    assert_eq!(metrics.value("kafka_server_brokertopicmetrics_bytesout_total"), bytes_in);
    assert!(metrics.value("millrace_data_available_bytes") > 0.0);
    assert!(metrics.value("millrace_data_available_inodes") > 0.0);
    assert!(metrics.sum("millrace_journal_written_bytes_total") > bytes_in);
    assert_eq!(
        metrics.sum("millrace_commit_seconds_count"),
        metrics.sum("millrace_commit_seconds_bucket{le=\"+Inf\"}")
    );
    assert!(metrics.sum("millrace_mesh_asks_total") > 0.0, "two shards, one connection");
    broker.stop();
}

#[test]
fn groups_are_counted_with_their_lag() {
    let broker = Running::start("groups", 2, &[("offsets.topic.num.partitions", "3")]);
    let mut client = Client::connect(broker.address);
    client.create_topic("orders", 2);
    for _ in 0..5 {
        assert_eq!(client.produce("orders", 1, b"value"), 0);
    }
    for (group, offset) in [("a", 2), ("b", 5), ("a", 3)] {
        assert_eq!(client.commit(group, "orders", 1, offset), 0);
    }
    let metrics = Metrics::scrape(broker.admin);
    for (group, offset, lag) in [("a", 3.0, 2.0), ("b", 5.0, 0.0)] {
        let labels = format!("{{consumergroup=\"{group}\",topic=\"orders\",partition=\"1\"}}");
        assert_eq!(metrics.value(&format!("kafka_consumergroup_current_offset{labels}")), offset);
        assert_eq!(metrics.value(&format!("kafka_consumergroup_lag{labels}")), lag);
        let members = format!("kafka_consumergroup_members{{consumergroup=\"{group}\"}}");
        assert_eq!(metrics.value(&members), 0.0);
    }
    for (name, count) in [
        ("kafka_server_group_coordinator_metrics_offset_commit_count", 3.0),
        ("kafka_coordinator_group_groupmetadatamanager_numgroups", 2.0),
        ("kafka_coordinator_group_groupmetadatamanager_numgroupsempty", 2.0),
        ("kafka_coordinator_group_groupmetadatamanager_numoffsets", 2.0),
    ] {
        assert_eq!(metrics.value(name), count, "{name}");
    }
    assert_eq!(metrics.sum("millrace_group_commits_total"), 3.0);
    assert_eq!(metrics.sum("millrace_group_partitions_loading"), 0.0);
    broker.stop();
}

#[test]
fn every_family_that_is_described_is_served_and_no_other() {
    let broker = Running::start("families", 1, &[]);
    let metrics = Metrics::scrape(broker.admin);
    let described: BTreeSet<_> = millrace_server::metric_descriptions()
        .iter()
        .map(|metric| (metric.name.to_owned(), metric.kind.to_owned()))
        .collect();
    assert_eq!(metrics.types(), described);
    assert_eq!(described.len(), millrace_server::metric_descriptions().len(), "each name once");
    broker.stop();
}

/// Two shards, so that half of the partitions are a hop away; half of the fetches wait for bytes.
#[test]
fn stages_of_requests_sum_to_their_total() {
    const ROUNDS: usize = 50;
    let broker = Running::start("stages", 2, &[]);
    let mut client = Client::connect(broker.address);
    client.create_topic("t", 4);
    let begun = Instant::now();
    for _ in 0..ROUNDS {
        for partition in 0..4 {
            assert_eq!(client.produce("t", partition, &[7; 10_000]), 0);
            assert!(client.fetch("t", partition) > 0);
        }
    }
    let waited = client.fetch_at("t", 3, ROUNDS as i64, 200);
    assert_eq!(waited, 0, "nothing lies there");
    let seen = begun.elapsed().as_secs_f64();
    let metrics = Metrics::scrape(broker.admin);
    let mut totals = 0.0;
    for (request, family, stages) in [
        ("Produce", "millrace_produce_stage_seconds", ["queue", "hop", "journal", "flush", "send"]),
        ("Fetch", "millrace_fetch_stage_seconds", ["queue", "hop", "read", "wait", "send"]),
    ] {
        let total = metrics.value(&format!("millrace_request_seconds_sum{{request=\"{request}\"}}"));
        let count = metrics.value(&format!("millrace_request_seconds_count{{request=\"{request}\"}}"));
        let of = |stage: &str| metrics.value(&format!("{family}_sum{{stage=\"{stage}\"}}"));
        let sum: f64 = stages.iter().map(|stage| of(stage)).sum();
        println!("{request}: {count} requests, {total} s; {:?}", stages.map(|stage| (stage, of(stage))));
        assert!((sum - total).abs() <= total * 0.05, "{request}: stages {sum}, total {total}");
        for stage in stages {
            assert_eq!(metrics.value(&format!("{family}_count{{stage=\"{stage}\"}}")), count, "{stage}");
            assert!(of(stage) > 0.0, "{request}: {stage} takes time");
        }
        totals += total;
    }
    let wait = metrics.value("millrace_fetch_stage_seconds_sum{stage=\"wait\"}");
    // It waits for what its first look has left of the 0.2 s.
    assert!((0.1..1.0).contains(&wait), "one fetch waited, and none else: {wait}");
    // The client sees the same requests, one at a time, and the way to them and back.
    assert!(totals <= seen && totals > seen * 0.1, "{totals} s of {seen}");
    broker.stop();
}

#[test]
fn limits_that_bite_are_counted() {
    let broker = Running::start("limits", 1, &[("max.connections", "2")]);
    let (mut kept, _other) = (Client::connect(broker.address), Client::connect(broker.address));
    kept.create_topic("t", 1);
    assert!(Client::connect(broker.address).is_closed(), "the third connection is refused");
    assert_eq!(kept.produce("t", 0, &vec![1; 2 << 20]), 10, "too large for the topic");
    let metrics = Metrics::scrape(broker.admin);
    assert_eq!(metrics.value("millrace_limited_total{limit=\"max.connections\"}"), 1.0);
    let too_large =
        "kafka_network_requestmetrics_errors_total{request=\"Produce\",error=\"MESSAGE_TOO_LARGE\"}";
    assert_eq!(metrics.value(too_large), 1.0);
    assert_eq!(metrics.value("millrace_appends_refused_total{shard=\"0\"}"), 1.0);
    broker.stop();
}

#[test]
fn health_says_whether_clients_are_served() {
    let broker = Running::start("health", 2, &[]);
    assert_eq!(get(broker.admin, "/live"), (200, "live\n".to_owned()));
    assert_eq!(get(broker.admin, "/ready"), (200, "ready\n".to_owned()));
    assert_eq!(get(broker.admin, "/nothing").0, 404);
    broker.stop();
}

#[test]
fn ready_is_refused_until_recovered_and_while_stopping() {
    let admin = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // The first slot of a large journal takes a while to be prepared.
    let keys = [("millrace.admin.listener", &*admin.to_string()), ("millrace.journal.bytes", "512MiB")];
    let watch = std::thread::Builder::new().spawn(move || responses_until(admin, 200)).unwrap();
    let broker = Running::start("phases", 1, &keys);
    let starting = watch.join().unwrap();
    assert!(starting.contains(&(503, "starting\n".to_owned())), "{starting:?}");
    // A client that takes no responses keeps the stop waiting for some seconds.
    let mut client = Client::connect(broker.address);
    client.create_topic("t", 1);
    client.stall();
    broker.begin_stop();
    let stopping = responses_until(admin, 503);
    assert!(stopping.contains(&(503, "stopping\n".to_owned())), "{stopping:?}");
    drop(client);
    broker.stop();
}

/// What `/ready` returns until it returns `code`, or a minute is over.
fn responses_until(admin: SocketAddr, code: u16) -> BTreeSet<(u16, String)> {
    let mut responses = BTreeSet::new();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(60) && !responses.iter().any(|(found, _)| *found == code) {
        responses.extend(http::try_get(admin, "/ready"));
    }
    responses
}

#[test]
fn a_port_in_use_is_named_before_anything_is_opened() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = Running::refused("taken", &[("millrace.admin.listener", &address)]);
    let wanted = format!("listener millrace.admin.listener: {address} is in use by another process");
    assert!(error.contains(&wanted), "{error}");
}
