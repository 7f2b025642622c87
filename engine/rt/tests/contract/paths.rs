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
        assert!(fs::exists(&moved).await && !fs::exists(&file).await);
        fs::remove_file(&moved).await.unwrap();
        assert_eq!(fs::remove_file(&moved).await.unwrap_err().kind(), ErrorKind::NotFound);
        fs::sync_fs(&place.dir).await.unwrap();
        assert!(fs::available_bytes(&place.dir).await.unwrap() > 0);
        fs::remove_dir_all(&place.dir.join("a")).await.unwrap();
        assert!(!fs::exists(&dir).await);
        assert_eq!(fs::read_dir(&dir).await.unwrap_err().kind(), ErrorKind::NotFound);
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
