//! Files: positioned reads and writes, direct and hardened, short and failing.

use std::io::ErrorKind;

use bytes::Bytes;
use millrace_rt::{Block, File, OpenOptions, Sync};

use crate::host::{on_both, pattern};

const WRITE: OpenOptions = OpenOptions { create: true, create_new: false, write: true, direct: false };
const DIRECT: OpenOptions = OpenOptions { direct: true, ..WRITE };

#[test]
fn what_is_written_is_read_and_reads_are_short_at_the_end() {
    on_both("file", 1, |place| async move {
        let path = place.dir.join("file");
        let file = File::open(&path, WRITE).await.unwrap();
        let data = pattern(10_000);
        file.write_all_at(500, Bytes::from(data.clone()), Sync::None).await.unwrap();
        assert_eq!(file.len().await.unwrap(), 10_500);
        for (at, len, expected) in [(0, 500, 500), (500, 8192, 8192), (10_000, 4096, 500), (10_500, 10, 0)] {
            let (read, block) = file.read_at(at, Block::with_capacity(8192), len).await;
            assert_eq!(read.unwrap(), expected, "at {at}");
            for (offset, byte) in block.as_slice()[..expected].iter().enumerate() {
                let position = at as usize + offset;
                let written = position.checked_sub(500).map_or(0, |index| data[index]);
                assert_eq!(*byte, written, "byte {position}");
            }
        }
        file.truncate(600).await.unwrap();
        file.sync_data().await.unwrap();
        assert_eq!(millrace_rt::fs::len(&path).await.unwrap(), 600);
    });
}

#[test]
fn direct_and_hardened_writes_gather_aligned_pieces() {
    on_both("direct", 1, |place| async move {
        let path = place.dir.join("direct");
        let file = File::open(&path, DIRECT).await.unwrap();
        file.allocate(0, 1 << 20).await.unwrap();
        assert_eq!(file.len().await.unwrap(), 0);
        let pieces: Vec<Bytes> = (1..=3u8)
            .map(|value| {
                let mut block = Block::with_capacity(4096);
                block.as_mut_slice().fill(value);
                block.freeze()
            })
            .collect();
        let written = file.write_vectored_at(4096, pieces, Sync::Dsync).await.unwrap();
        assert_eq!(written, 3 * 4096);
        let (read, block) = file.read_at(0, Block::with_capacity(16 << 10), 16 << 10).await;
        assert_eq!(read.unwrap(), 16 << 10);
        for (page, value) in block.as_slice().chunks(4096).zip(0u8..) {
            assert!(page.iter().all(|byte| *byte == value), "page {value}");
        }
    });
}

#[test]
fn opening_reports_what_is_wrong() {
    on_both("open", 1, |place| async move {
        let path = place.dir.join("file");
        let open = async |options| File::open(&path, options).await.map(drop).map_err(|error| error.kind());
        let read = OpenOptions::default();
        let new = OpenOptions { create_new: true, write: true, ..read };
        assert_eq!(open(read).await, Err(ErrorKind::NotFound));
        assert_eq!(open(new).await, Ok(()));
        assert_eq!(open(new).await, Err(ErrorKind::AlreadyExists));
        assert_eq!(open(read).await, Ok(()));
        let missing = place.dir.join("no/such/dir");
        let error = File::open(&missing, WRITE).await.map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    });
}

#[test]
fn an_open_file_outlives_its_name() {
    on_both("unlinked", 1, |place| async move {
        let path = place.dir.join("file");
        let file = File::open(&path, WRITE).await.unwrap();
        file.write_all_at(0, Bytes::from_static(b"kept"), Sync::None).await.unwrap();
        millrace_rt::fs::remove_file(&path).await.unwrap();
        let (read, block) = file.read_at(0, Block::with_capacity(16), 16).await;
        assert_eq!(&block.as_slice()[..read.unwrap()], b"kept");
    });
}

#[test]
fn many_operations_run_at_once() {
    on_both("many", 1, |place| async move {
        let file = std::rc::Rc::new(File::open(&place.dir.join("file"), WRITE).await.unwrap());
        let tasks: Vec<_> = (0..1500u64)
            .map(|index| {
                let file = std::rc::Rc::clone(&file);
                millrace_rt::spawn(async move {
                    let data = Bytes::copy_from_slice(&index.to_le_bytes());
                    file.write_all_at(index * 8, data, Sync::None).await.unwrap();
                })
            })
            .collect();
        for task in tasks {
            task.await;
        }
        let (read, block) = file.read_at(0, Block::with_capacity(12_000), 12_000).await;
        assert_eq!(read.unwrap(), 12_000);
        for (bytes, index) in block.as_slice().chunks(8).zip(0..1500u64) {
            assert_eq!(bytes, index.to_le_bytes());
        }
    });
}
