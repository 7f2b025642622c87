//! What a simulated machine stores, files on a disk, shared memory and locks, and the operations on it.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use crate::names::InodeId;
use crate::operation::{
    AvailableSpace, DirEntry, DirLock, DiskAnswer, DiskRequest, FileHandle, HeldLock, Operation, Outcome,
    Pieces,
};
use crate::region::Region;
use crate::twin::chance::Chance;
use crate::twin::disk::{Disk, Stop, parent_of, position};

type Answered = Result<DiskAnswer, Stop>;

/// One node's disk, its shared memory, which goes with the power, and its locks, which go with the process.
pub(crate) struct Storage {
    pub(crate) disk: Disk,
    regions: BTreeMap<PathBuf, Arc<Region>>,
    /// A file is locked as long as the token of its entry lives.
    locks: BTreeMap<PathBuf, Weak<()>>,
}

impl Storage {
    /// An empty disk.
    pub(crate) fn new() -> Storage {
        Storage { disk: Disk::new(), regions: BTreeMap::new(), locks: BTreeMap::new() }
    }

    /// Carries out an operation on files or paths.
    pub(crate) fn perform(&mut self, operation: &mut Operation) -> Result<Outcome, Stop> {
        let disk = &mut self.disk;
        match operation {
            Operation::Read { file, at, block, len } => {
                let target = block.as_mut_slice().get_mut(..*len).unwrap_or_default();
                disk.read(inode_of(file), *at, target).map(Outcome::Count)
            }
            Operation::Write { file, at, pieces, sync } => {
                disk.write(inode_of(file), *at, &gathered(pieces), *sync).map(Outcome::Count)
            }
            Operation::SyncData { file } => disk.sync_data(inode_of(file)).map(|()| Outcome::Count(0)),
            Operation::Allocate { file, at, len } => {
                disk.allocate(inode_of(file), *at, *len).map(|()| Outcome::Count(0))
            }
            Operation::Disk(request) => match request.take() {
                Some(request) => self.answer(request).map(Outcome::Disk),
                None => Err(io::ErrorKind::InvalidInput.into()),
            },
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// What becomes of an operation that was in flight when the process ended: a write may have happened, or be torn.
    pub(crate) fn end_write(&mut self, operation: &Operation, torn: bool, chance: &mut Chance) {
        let Operation::Write { file, at, pieces, .. } = operation else { return };
        let fate = if torn { chance.below(3) } else { 0 };
        let Ok(inode) = self.disk.inode(inode_of(file)) else { return };
        let (at, data) = (position(*at), gathered(pieces));
        match fate {
            0 => inode.write(at, &data),
            1 => {}
            _ => inode.write_torn(at, &data, chance),
        }
    }

    /// The process has ended: its locks are free, and no crash is planned any more.
    pub(crate) fn end_process(&mut self) {
        self.locks.clear();
        self.disk.crash_at = None;
    }

    /// Only what is durable stays.
    pub(crate) fn lose_power(&mut self, chance: &mut Chance) {
        self.regions.clear();
        self.disk.lose_power(chance);
    }

    /// Requests on paths: the twin of the blocking calls.
    fn answer(&mut self, request: DiskRequest) -> Answered {
        let disk = &mut self.disk;
        match request {
            DiskRequest::Open { path, options } => {
                disk.open(&path, options).map(|id| DiskAnswer::Opened(FileHandle::World(id)))
            }
            DiskRequest::FileLength(file) => {
                Ok(DiskAnswer::Number(disk.inode(inode_of(&file))?.live.len() as u64))
            }
            DiskRequest::Truncate { file, len } => done(disk.truncate(inode_of(&file), len)),
            DiskRequest::CreateDirAll(path) => done(disk.create_dir_all(&path)),
            DiskRequest::CreateAlone(paths) => self.create_each_alone(&paths),
            DiskRequest::SyncDir(path) => done(disk.sync_dir(&path)),
            DiskRequest::ReadDir(path) => self.read_dir(&path),
            DiskRequest::RemoveFile(path) => {
                if self.regions.remove(&path).is_some() {
                    return Ok(DiskAnswer::Done);
                }
                done(disk.remove_file(&path))
            }
            DiskRequest::RemoveDirAll(path) => {
                self.regions.retain(|region, _| !region.starts_with(&path));
                done(disk.remove_dir_all(&path))
            }
            DiskRequest::Rename { from, to } => done(disk.rename(&from, &to)),
            DiskRequest::Exists(path) => {
                disk.look_up()?;
                Ok(DiskAnswer::Exists(disk.exists(&path) || self.regions.contains_key(&path)))
            }
            DiskRequest::PathLength(path) => self.path_length(&path),
            DiskRequest::ReadAll(path) => self.read_all(&path),
            DiskRequest::Replace { path, contents } => done(self.replace(&path, &contents)),
            DiskRequest::SyncFs(_) => done(disk.sync_all()),
            DiskRequest::AvailableSpace(_) => {
                let (bytes, total_bytes) = (disk.room(), disk.capacity());
                Ok(DiskAnswer::Space(AvailableSpace { bytes, total_bytes, inodes: disk.inodes_left() }))
            }
            DiskRequest::Lock(path) => self.lock(path),
            DiskRequest::RegionCreate { path, len } => self.create_region(path, len),
            DiskRequest::RegionOpen(path) => match self.regions.get(&path) {
                Some(region) => Ok(DiskAnswer::Region(Arc::clone(region))),
                None => Err(io::ErrorKind::NotFound.into()),
            },
            DiskRequest::RegionUsable(_) => Ok(DiskAnswer::Done),
            DiskRequest::AddressesOf(host) => Ok(DiskAnswer::Addresses(addresses_of(&host))),
            DiskRequest::Work(work) => {
                work.perform();
                Ok(DiskAnswer::Done)
            }
        }
    }

    fn create_each_alone(&mut self, paths: &[PathBuf]) -> Answered {
        let mut results = Vec::with_capacity(paths.len());
        for path in paths {
            results.push(match self.disk.create_alone(path) {
                Ok(()) => Ok(()),
                Err(Stop::Error(error)) => Err(error),
                Err(crash) => return Err(crash),
            });
        }
        Ok(DiskAnswer::Each(results))
    }

    fn read_dir(&mut self, dir: &Path) -> Answered {
        self.disk.look_up()?;
        let mut entries = self.disk.read_dir(dir)?;
        for path in self.regions.keys().filter(|path| path.parent() == Some(dir)) {
            let Some(name) = path.file_name() else { continue };
            entries.push(DirEntry { name: name.to_string_lossy().into_owned(), is_dir: false });
        }
        entries.sort();
        Ok(DiskAnswer::Entries(entries))
    }

    fn path_length(&mut self, path: &Path) -> Answered {
        self.disk.look_up()?;
        if let Some(region) = self.regions.get(path) {
            return Ok(DiskAnswer::Number(region.len() as u64));
        }
        let id = self.disk.file(path)?;
        Ok(DiskAnswer::Number(self.disk.inode(id)?.live.len() as u64))
    }

    fn read_all(&mut self, path: &Path) -> Answered {
        let id = self.disk.file(path)?;
        let len = self.disk.inode(id)?.live.len();
        let mut contents = vec![0; len];
        self.disk.read(id, 0, &mut contents)?;
        Ok(DiskAnswer::Contents(contents))
    }

    /// The same steps as on the real kernel, so that a crash can fall between any two of them.
    fn replace(&mut self, path: &Path, contents: &[u8]) -> Result<(), Stop> {
        let temporary = crate::uring::disk_calls::temporary_name(path);
        let disk = &mut self.disk;
        let id = match disk.file(&temporary) {
            Ok(id) => {
                disk.truncate(id, 0)?;
                id
            }
            Err(_) => disk.create(&temporary)?,
        };
        let written = disk.write(id, 0, contents, crate::operation::Sync::None)?;
        if written < contents.len() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        disk.sync_data(id)?;
        disk.rename(&temporary, path)?;
        disk.sync_dir(parent_of(path))
    }

    fn lock(&mut self, path: PathBuf) -> Answered {
        if self.locks.get(&path).is_some_and(|held| held.strong_count() > 0) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if self.disk.file(&path).is_err() {
            self.disk.create(&path)?;
        }
        let token = Arc::new(());
        self.locks.insert(path, Arc::downgrade(&token));
        Ok(DiskAnswer::Locked(DirLock::new(HeldLock::World { _token: token })))
    }

    fn create_region(&mut self, path: PathBuf, len: usize) -> Answered {
        let region = Region::heap(len)?;
        self.regions.insert(path, Arc::clone(&region));
        Ok(DiskAnswer::Region(region))
    }
}

/// A world's hosts are named after their addresses, as clouds do: `ip-10-0-0-1`.
fn addresses_of(host: &str) -> Vec<IpAddr> {
    let address = host.strip_prefix("ip-").map(|digits| digits.replace('-', "."));
    address.and_then(|address| address.parse().ok()).into_iter().collect()
}

fn done(result: Result<(), Stop>) -> Answered {
    result.map(|()| DiskAnswer::Done)
}

fn inode_of(handle: &FileHandle) -> InodeId {
    match handle {
        FileHandle::World(id) => *id,
        FileHandle::Uring(_) => panic!("a real file reached the simulated kernel"),
    }
}

fn gathered(pieces: &Pieces) -> Vec<u8> {
    pieces.remaining().concat()
}
