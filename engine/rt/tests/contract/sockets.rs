//! Sockets: streams in order, partial reads, gathered sends, refused, reset, ports in use,
//! moving between shards.

use std::io::ErrorKind;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use millrace_rt::{Block, DetachedStream, Listener, Stream, sleep, spawn};

use crate::host::{loopback, on_both, on_uring, on_world, pattern, with_mesh};

/// A connected pair on this shard.
pub(crate) async fn pair() -> (Stream, Stream) {
    let listener = Listener::bind(loopback(0)).await.unwrap();
    let address = listener.local_addr();
    let client = spawn(async move { Stream::connect(address).await.unwrap() });
    let server = Stream::attach(listener.accept().await.unwrap());
    (client.await, server)
}

pub(crate) async fn receive_exactly(stream: &Stream, len: usize) -> Vec<u8> {
    let mut received = Vec::new();
    let mut block = Block::with_capacity(16 << 10);
    while received.len() < len {
        let (count, filled) = stream.recv(block, 100).await;
        let count = count.unwrap();
        assert!(count > 0, "ended after {} of {len} bytes", received.len());
        received.extend_from_slice(&filled.as_slice()[100..100 + count]);
        block = filled;
    }
    assert_eq!(received.len(), len);
    received
}

#[test]
fn two_thousand_pieces_arrive_in_order() {
    on_both("pieces", 1, |_| async {
        let (client, server) = pair().await;
        let data = pattern(900_000);
        let mut rest = Bytes::from(data.clone());
        let mut pieces: Vec<Bytes> = (0..1999).map(|index| rest.split_to(index % 500)).collect();
        pieces.push(rest);
        let sender = spawn(async move {
            client.send(pieces).await.unwrap();
            client
        });
        assert_eq!(receive_exactly(&server, data.len()).await, data);
        drop(sender.await);
        let (count, _) = server.recv(Block::with_capacity(10), 0).await;
        assert_eq!(count.unwrap(), 0);
    });
}

/// More than the sockets of this machine take for a peer that reads nothing,
/// and more than those of the world.
const STUCK_BYTES: [usize; 2] = [12 << 20, 1 << 20];

#[test]
fn what_the_peer_has_taken_stands_still_while_it_reads_nothing() {
    on_uring("stuck", 1, |_| take_after_a_while(STUCK_BYTES[0]));
    on_world("stuck", 7, 1, |_| take_after_a_while(STUCK_BYTES[1]));
}

async fn take_after_a_while(bytes: usize) {
    let (client, server) = pair().await;
    let client = Rc::new(client);
    let sender = spawn({
        let client = Rc::clone(&client);
        async move { client.send(vec![Bytes::from(pattern(bytes))]).await }
    });
    let mut stuck = None;
    loop {
        sleep(Duration::from_millis(100)).await;
        let taken = client.taken_bytes();
        assert!(taken.unwrap() < bytes as u64);
        if stuck.replace(taken) == Some(taken) {
            break;
        }
    }
    receive_exactly(&server, bytes).await;
    sender.await.unwrap();
    while client.taken_bytes().unwrap() < bytes as u64 {
        sleep(Duration::from_millis(10)).await;
    }
}

#[test]
fn both_directions_flow_at_once() {
    on_both("duplex", 1, |_| async {
        let (client, server) = pair().await;
        let (client, server) = (Rc::new(client), Rc::new(server));
        let data = pattern(400_000);
        let mut tasks = Vec::new();
        for stream in [&client, &server] {
            let (writer, bytes) = (Rc::clone(stream), Bytes::from(data.clone()));
            tasks.push(spawn(async move { writer.send(vec![bytes]).await.unwrap() }));
        }
        assert_eq!(receive_exactly(&client, data.len()).await, data);
        assert_eq!(receive_exactly(&server, data.len()).await, data);
        for task in tasks {
            task.await;
        }
        assert_eq!(client.peer_addr(), server.local_addr());
        assert_eq!(server.peer_addr(), client.local_addr());
    });
}

#[test]
fn connecting_to_nobody_is_refused_and_a_port_is_taken_once() {
    on_both("refused", 1, |_| async {
        let listener = Listener::bind(loopback(0)).await.unwrap();
        let address = listener.local_addr();
        let second = Listener::bind(address).await.map(drop);
        assert_eq!(second.unwrap_err().kind(), ErrorKind::AddrInUse);
        drop(listener);
        millrace_rt::yield_now().await;
        let refused = Stream::connect(address).await.map(drop);
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        drop(Listener::bind(address).await.unwrap());
    });
}

#[test]
fn shutdown_ends_a_receive_in_flight_on_both_sides() {
    on_both("shutdown", 1, |_| async {
        let (client, server) = pair().await;
        let client = Rc::new(client);
        let reader = Rc::clone(&client);
        let receiving = spawn(async move { reader.recv(Block::with_capacity(10), 0).await.0.unwrap() });
        millrace_rt::sleep(std::time::Duration::from_millis(1)).await;
        client.shutdown();
        assert_eq!(receiving.await, 0);
        assert_eq!(server.recv(Block::with_capacity(10), 0).await.0.unwrap(), 0);
    });
}

#[test]
fn the_end_of_a_peer_shows_before_its_bytes_are_read() {
    on_both("peer-end", 1, |_| async {
        for is_reset in [false, true] {
            let (client, server) = pair().await;
            client.send(vec![Bytes::from_static(b"unread")]).await.unwrap();
            server.send(vec![Bytes::from_static(b"unread")]).await.unwrap();
            sleep(Duration::from_millis(5)).await;
            assert!(!server.has_peer_ended());
            if !is_reset {
                receive_exactly(&client, 6).await;
            }
            drop(client);
            while !server.has_peer_ended() {
                sleep(Duration::from_millis(1)).await;
            }
        }
    });
}

#[test]
fn closing_with_unread_data_resets_the_peer() {
    on_both("reset", 1, |_| async {
        let (client, server) = pair().await;
        client.send(vec![Bytes::from_static(b"unread")]).await.unwrap();
        millrace_rt::sleep(std::time::Duration::from_millis(5)).await;
        drop(server);
        let error = client.recv(Block::with_capacity(10), 0).await.0.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        let sent = client.send(vec![Bytes::from_static(b"more")]).await;
        assert!(sent.is_err());
    });
}

#[test]
fn a_connection_moves_to_another_shard() {
    with_mesh("moves", 2, 4, |place, end| async move {
        let mesh = end.attach();
        if place.seat.shard == 0 {
            let (client, server) = pair().await;
            client.send(vec![Bytes::from_static(b"ping")]).await.unwrap();
            assert_eq!(receive_exactly(&server, 4).await, b"ping");
            mesh.admit(1, server.detach()).await.await;
            client.send(vec![Bytes::from_static(b"pong")]).await.unwrap();
            assert_eq!(receive_exactly(&client, 4).await, b"pong");
        } else {
            let incoming = mesh.next().await;
            let stream: DetachedStream = incoming.request;
            let stream = Stream::attach(stream);
            incoming.respond.send(());
            let echoed = receive_exactly(&stream, 4).await;
            stream.send(vec![Bytes::from(echoed)]).await.unwrap();
            assert_eq!(stream.recv(Block::with_capacity(1), 0).await.0.unwrap(), 0);
        }
    });
}
