//! Dropped futures: the kernel keeps what it uses, and blocks are reused only after it is done.

use std::time::Duration;

use bytes::Bytes;
use millrace_rt::{Block, File, Listener, OpenOptions, Sync, memory, sleep, spawn, timeout};

use crate::host::{loopback, on_both, pattern};
use crate::sockets::{pair, receive_exactly};

const SHORT: Duration = Duration::from_millis(1);
const WRITE: OpenOptions = OpenOptions { create: true, create_new: false, write: true, direct: false };

#[test]
fn a_dropped_receive_gives_its_block_back_and_touches_no_other() {
    on_both("drop-recv", 1, |_| async {
        let (client, server) = pair().await;
        let before = memory().in_use_bytes;
        for _ in 0..20 {
            let block = Block::with_capacity(4096);
            assert!(timeout(Duration::from_micros(50), server.recv(block, 0)).await.is_none());
        }
        let deadline = millrace_rt::now() + Duration::from_secs(5);
        while memory().in_use_bytes > before && millrace_rt::now() < deadline {
            sleep(SHORT).await;
        }
        assert_eq!(memory().in_use_bytes, before);
        let watched: Vec<Block> = (0..20)
            .map(|_| {
                let mut block = Block::with_capacity(4096);
                block.as_mut_slice().fill(5);
                block
            })
            .collect();
        client.send(vec![Bytes::from(pattern(4096))]).await.unwrap();
        assert_eq!(receive_exactly(&server, 4096).await, pattern(4096));
        for block in &watched {
            assert!(block.as_slice().iter().all(|byte| *byte == 5));
        }
    });
}

#[test]
fn a_dropped_write_keeps_its_data_until_the_kernel_is_done() {
    on_both("drop-write", 1, |place| async move {
        let file = File::open(&place.dir.join("file"), WRITE).await.unwrap();
        for turn in 0..50u64 {
            let mut block = Block::with_capacity(64 << 10);
            block.as_mut_slice().fill(7);
            let write = file.write_at(turn << 16, block.freeze(), Sync::Dsync);
            let _ = timeout(Duration::ZERO, write).await;
            let mut other = Block::with_capacity(64 << 10);
            other.as_mut_slice().fill(9);
        }
        sleep(Duration::from_millis(30)).await;
        let length = usize::try_from(file.len().await.unwrap()).unwrap();
        let (read, block) = file.read_at(0, Block::with_capacity(50 << 16), length).await;
        let written = &block.as_slice()[..read.unwrap()];
        assert!(written.iter().all(|byte| *byte == 7 || *byte == 0), "freed memory reached the file");
    });
}

#[test]
fn a_dropped_read_does_not_write_into_a_reused_block() {
    on_both("drop-read", 1, |place| async move {
        let file = File::open(&place.dir.join("file"), WRITE).await.unwrap();
        file.write_all_at(0, Bytes::from(vec![3; 1 << 20]), Sync::Dsync).await.unwrap();
        for _ in 0..50 {
            let read = file.read_at(0, Block::with_capacity(1 << 20), 1 << 20);
            drop(timeout(Duration::ZERO, read).await);
            let mut block = Block::with_capacity(1 << 20);
            block.as_mut_slice().fill(8);
            sleep(Duration::from_micros(300)).await;
            assert!(block.as_slice().iter().all(|byte| *byte == 8));
        }
    });
}

#[test]
fn a_dropped_send_leaves_the_bytes_it_sent_intact() {
    on_both("drop-send", 1, |_| async {
        let (client, server) = pair().await;
        let mut block = Block::with_capacity(2 << 20);
        block.as_mut_slice().fill(6);
        let pieces = vec![block.freeze(); 8];
        assert!(timeout(SHORT, client.send(pieces)).await.is_none());
        let mut other = Block::with_capacity(2 << 20);
        other.as_mut_slice().fill(1);
        client.shutdown();
        let mut block = Block::with_capacity(64 << 10);
        loop {
            let (count, filled) = server.recv(block, 0).await;
            let Ok(count @ 1..) = count else { break };
            assert!(filled.as_slice()[..count].iter().all(|byte| *byte == 6));
            block = filled;
        }
    });
}

#[test]
fn a_dropped_accept_lets_the_next_one_work() {
    on_both("drop-accept", 1, |_| async {
        let listener = Listener::bind(loopback(0)).await.unwrap();
        assert!(timeout(SHORT, listener.accept()).await.is_none());
        sleep(SHORT).await;
        let address = listener.local_addr();
        let client = spawn(async move { millrace_rt::Stream::connect(address).await.unwrap() });
        let accepted = listener.accept().await.unwrap();
        assert_eq!(accepted.peer_addr(), client.await.local_addr());
    });
}

#[test]
fn a_shard_may_end_with_operations_in_flight() {
    on_both("ends", 1, |_| async {
        let (_client, server) = pair().await;
        drop(spawn(async move {
            let _ = server.recv(Block::with_capacity(4096), 0).await;
        }));
        drop(spawn(sleep(Duration::from_secs(3600))));
        sleep(SHORT).await;
    });
}
