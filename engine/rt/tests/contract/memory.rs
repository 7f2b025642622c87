//! Blocks, tail chunks and shared memory.

use bytes::Bytes;
use millrace_rt::{
    BLOCK_ALIGNMENT, Block, SharedMemory, TailChunk, copied_bytes, memory, shared_memory_usable,
};

use crate::host::{on_both, pattern, with_mesh};

#[test]
fn a_block_is_aligned_zeroed_once_and_recycled() {
    on_both("block", 1, |_| async {
        let mut blocks = Vec::new();
        for (asked, got) in [(1, 4096), (4097, 8192), (2 << 20, 2 << 20), ((2 << 20) + 1, (2 << 20) + 4096)] {
            let mut block = Block::with_capacity(asked);
            assert_eq!(block.capacity(), got);
            assert!((block.as_slice().as_ptr() as usize).is_multiple_of(BLOCK_ALIGNMENT));
            assert!(block.as_slice().iter().all(|byte| *byte == 0), "{asked}");
            block.as_mut_slice().fill(9);
            blocks.push(block);
        }
        drop(blocks);
        let held = Block::with_capacity(4096);
        let before = memory();
        let bytes = held.freeze();
        let slice = bytes.slice(..10);
        drop(bytes);
        assert_eq!(memory(), before);
        drop(slice);
        assert_eq!(memory().in_use_bytes, before.in_use_bytes - 4096);
        assert_eq!(memory().pooled_bytes, before.pooled_bytes + 4096);
    });
}

#[test]
fn a_block_returns_home_from_another_shard() {
    with_mesh("home", 2, 4, |_, end| async move {
        let mesh = end.attach();
        if mesh.shard() == 0 {
            let block = Block::with_capacity(8192);
            let before = memory().in_use_bytes;
            mesh.admit(1, block.freeze()).await.await;
            assert_eq!(memory().in_use_bytes, before - 8192);
            assert_eq!(memory().pooled_bytes, 8192);
        } else {
            let incoming = mesh.next().await;
            let bytes: Bytes = incoming.request;
            drop(bytes);
            incoming.respond.send(());
        }
    });
}

#[test]
fn views_of_a_tail_chunk_keep_their_bytes_while_it_grows() {
    on_both("tail", 1, |_| async {
        let data = pattern(10_000);
        let before = copied_bytes();
        let mut chunk = TailChunk::with_capacity(data.len());
        let mut views = Vec::new();
        for piece in data.chunks(333) {
            let start = chunk.len();
            chunk.append(piece);
            views.push((start, chunk.view(start..chunk.len())));
        }
        assert_eq!(copied_bytes() - before, 10_000);
        assert_eq!((chunk.len(), chunk.remaining()), (10_000, chunk.capacity() - 10_000));
        let whole = chunk.view(0..chunk.len());
        drop(chunk);
        assert_eq!(whole, data);
        for (start, view) in views {
            assert_eq!(view, &data[start..start + view.len()]);
        }
    });
}

#[test]
fn shared_memory_is_found_again() {
    on_both("shared", 1, |place| async move {
        shared_memory_usable(&place.shm).await.unwrap();
        let path = place.shm.join("ring");
        let first = SharedMemory::create(&path, 64 << 10).await.unwrap();
        let before = copied_bytes();
        first.write(100, b"frame");
        assert_eq!(copied_bytes() - before, 5);
        let view = first.view(100..105);
        drop(first);
        assert_eq!(view, b"frame"[..]);
        let second = SharedMemory::open(&path).await.unwrap();
        assert_eq!((second.len(), &second.bytes()[99..106]), (64 << 10, &b"\0frame\0"[..]));
        let kind = |error: std::io::Error| error.kind();
        let in_use = std::io::ErrorKind::WouldBlock;
        assert_eq!(SharedMemory::create(&path, 4096).await.err().map(kind), Some(in_use));
        assert_eq!(SharedMemory::open(&path).await.err().map(kind), Some(in_use));
        assert_eq!(SharedMemory::remove(&path).await.err().map(kind), Some(in_use));
        drop(second);
        let fresh = SharedMemory::create(&path, 4096).await.unwrap();
        assert!(fresh.bytes().iter().all(|byte| *byte == 0));
        drop(fresh);
        SharedMemory::remove(&path).await.unwrap();
        let gone = SharedMemory::open(&path).await;
        assert_eq!(gone.err().unwrap().kind(), std::io::ErrorKind::NotFound);
    });
}
