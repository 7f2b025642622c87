//! Paths and directories.

use std::io::ErrorKind;

use millrace_rt::fs::{self, DirEntry};

use crate::host::on_both;

#[test]
fn directories_and_files_come_and_go() {
    on_both("paths", 1, |place| async move {
        let dir = place.dir.join("a/b");
        fs::create_dir_all(&dir).await.unwrap();
        fs::create_dir_all(&dir).await.unwrap();
        let file = dir.join("file");
        fs::replace(&file, b"one".to_vec()).await.unwrap();
        fs::replace(&file, b"two".to_vec()).await.unwrap();
        assert_eq!(fs::read(&file).await.unwrap(), b"two");
        assert_eq!(fs::len(&file).await.unwrap(), 3);
        fs::create_dir_all(&dir.join("sub")).await.unwrap();
        let entry = |name: &str, is_dir| DirEntry { name: name.to_owned(), is_dir };
        assert_eq!(fs::read_dir(&dir).await.unwrap(), [entry("file", false), entry("sub", true)]);
        let moved = dir.join("moved");
        fs::rename(&file, &moved).await.unwrap();
        fs::sync_dir(&dir).await.unwrap();
        assert!(fs::exists(&moved).await.unwrap() && !fs::exists(&file).await.unwrap());
        fs::remove_file(&moved).await.unwrap();
        assert_eq!(fs::remove_file(&moved).await.unwrap_err().kind(), ErrorKind::NotFound);
        fs::sync_fs(&place.dir).await.unwrap();
        let space = fs::available_space(&place.dir).await.unwrap();
        assert!(space.bytes > 0 && space.inodes > 0, "{space:?}");
        fs::remove_dir_all(&place.dir.join("a")).await.unwrap();
        assert!(!fs::exists(&dir).await.unwrap());
        assert_eq!(fs::read_dir(&dir).await.unwrap_err().kind(), ErrorKind::NotFound);
    });
}

#[test]
fn files_are_made_alone_in_their_directories() {
    on_both("alone", 1, |place| async move {
        let (made, taken) = (place.dir.join("made/file"), place.dir.join("taken/file"));
        fs::create_dir_all(&place.dir.join("taken")).await.unwrap();
        fs::replace(&place.dir.join("taken/other"), b"here".to_vec()).await.unwrap();
        let nowhere = place.dir.join("missing/dir/file");
        let kinds = async |paths| {
            let results = fs::create_alone(paths).await.unwrap();
            results.into_iter().map(|result| result.err().map(|error| error.kind())).collect::<Vec<_>>()
        };
        let all = vec![made.clone(), taken.clone(), nowhere, made.clone()];
        let refused = Some(ErrorKind::DirectoryNotEmpty);
        assert_eq!(kinds(all).await, [None, refused, Some(ErrorKind::NotFound), None]);
        assert_eq!(fs::len(&made).await.unwrap(), 0);
        assert!(!fs::exists(&taken).await.unwrap() && !fs::exists(&place.dir.join("missing")).await.unwrap());
        fs::replace(&made, b"contents".to_vec()).await.unwrap();
        assert_eq!(kinds(vec![made.clone()]).await, [refused]);
        assert_eq!(fs::read(&made).await.unwrap(), b"contents");
        fs::create_dir_all(&place.dir.join("empty")).await.unwrap();
        assert_eq!(kinds(vec![place.dir.join("empty/file")]).await, [None]);
    });
}

#[test]
fn a_lock_is_exclusive_until_dropped() {
    on_both("lock", 1, |place| async move {
        let path = place.dir.join(".lock");
        let held = fs::lock(&path).await.unwrap();
        assert_eq!(fs::lock(&path).await.unwrap_err().kind(), ErrorKind::WouldBlock);
        drop(held);
        millrace_rt::yield_now().await;
        drop(fs::lock(&path).await.unwrap());
    });
}

#[test]
fn a_copy_is_another_file_than_its_original() {
    on_both("identity", 1, |place| async move {
        let (one, other) = (place.dir.join("one"), place.dir.join("other"));
        fs::create_dir_all(&one).await.unwrap();
        fs::create_dir_all(&other).await.unwrap();
        let identity = fs::identity(&one).await.unwrap();
        assert_eq!(fs::identity(&one).await.unwrap(), identity);
        assert_ne!(fs::identity(&other).await.unwrap(), identity);
        assert_eq!(fs::identity(&place.dir.join("none")).await.unwrap_err().kind(), ErrorKind::NotFound);
        let life = millrace_rt::shared_memory_life(&place.shm).await.unwrap();
        assert_eq!(millrace_rt::shared_memory_life(&place.shm).await.unwrap(), life);
    });
}
