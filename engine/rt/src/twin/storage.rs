//! What a simulated machine stores, files on a disk, shared memory and locks, and the operations on it.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use crate::memory::payload::Copies;
use crate::memory::region::Region;
use crate::submission::names::InodeId;
use crate::submission::operation::{
    AvailableSpace, DirEntry, DirLock, DiskAnswer, DiskRequest, FileHandle, HeldLock, Operation, Outcome,
    Pieces,
};
use crate::twin::chance::Chance;
use crate::twin::disk::{Disk, Stop, parent_of, position};

type Answered = Result<DiskAnswer, Stop>;

/// One node's disk, its shared memory, which goes with the power, and its locks, which go with the process.
pub(crate) struct Storage {
    pub(crate) disk: Disk,
    regions: BTreeMap<PathBuf, Shared>,
    /// How much all regions may hold.
    pub(crate) memory_max: u64,
    /// Counts how often the memory was cleared.
    lives: u64,
    /// A file is locked as long as the token of its entry lives.
    locks: BTreeMap<PathBuf, Weak<()>>,
}

/// A file of shared memory; its lock goes with the process.
struct Shared {
    region: Arc<Region>,
    held: Weak<()>,
}

/// What a machine's shared memory holds that nobody made small.
const MEMORY_BYTES: u64 = 1 << 33;
/// Where it is.
const MEMORY_DIR: &str = "/dev/shm";

impl Storage {
    /// An empty disk.
    pub(crate) fn new() -> Storage {
        let (disk, regions, locks) = (Disk::new(), BTreeMap::new(), BTreeMap::new());
        Storage { disk, regions, memory_max: MEMORY_BYTES, lives: 0, locks }
    }

    /// Another disk, in a machine that was off meanwhile.
    pub(crate) fn put_disk(&mut self, disk: Disk) {
        self.disk = disk;
        self.clear_memory();
        // No life of the machine that the disk was in before.
        self.lives += 1 << 32;
    }

    fn clear_memory(&mut self) {
        self.regions.clear();
        self.lives += 1;
    }

    /// The files of shared memory.
    pub(crate) fn region_files(&self) -> Vec<PathBuf> {
        self.regions.keys().cloned().collect()
    }

    /// A file of shared memory is gone, or holds so many of its bytes.
    pub(crate) fn cut_region(&mut self, path: &Path, bytes: usize) {
        let Some(shared) = self.regions.remove(path) else { return };
        let region = Region::own(bytes);
        if bytes > 0 {
            let kept = bytes.min(shared.region.len());
            region.write(0, shared.region.bytes(0..kept), &Copies::default());
        }
        self.regions.insert(path.to_path_buf(), Shared { region, held: Weak::new() });
    }

    /// A path, and all below it, is gone.
    pub(crate) fn vanish(&mut self, path: &Path) {
        self.regions.retain(|found, _| !found.starts_with(path));
        self.disk.vanish(path);
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

    /// What becomes of an operation that was in flight when the process ended: a write may have happened,
    /// or be torn.
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
        self.regions.values_mut().for_each(|shared| shared.held = Weak::new());
        self.disk.crash_at = None;
    }

    /// Only what is durable stays.
    pub(crate) fn lose_power(&mut self, chance: &mut Chance) {
        self.clear_memory();
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
            DiskRequest::Elsewhere(path) => disk.elsewhere(&path).map(DiskAnswer::Entries),
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
            DiskRequest::SyncFs(path) => done(disk.sync_fs(&path)),
            DiskRequest::AvailableSpace(path) if path.starts_with(MEMORY_DIR) => {
                let (bytes, total_bytes) = (self.memory_left(), self.memory_max);
                Ok(DiskAnswer::Space(AvailableSpace { bytes, total_bytes, inodes: u64::MAX }))
            }
            DiskRequest::AvailableSpace(_) => {
                let (bytes, total_bytes) = (disk.room(), disk.capacity());
                Ok(DiskAnswer::Space(AvailableSpace { bytes, total_bytes, inodes: disk.inodes_left() }))
            }
            DiskRequest::Lock(path) => self.lock(path),
            DiskRequest::RegionCreate { path, len } => self.create_region(path, len),
            DiskRequest::RegionOpen(path) => match self.regions.get_mut(&path) {
                Some(shared) => shared.lend(),
                None => Err(io::ErrorKind::NotFound.into()),
            },
            DiskRequest::RegionRemove(path) => done(self.remove_region(&path)),
            DiskRequest::RegionUsable(_) => Ok(DiskAnswer::Done),
            DiskRequest::MemoryLife(_) => Ok(DiskAnswer::Text(format!("life {}", self.lives))),
            DiskRequest::Identity(path) => disk.identity(&path).map(DiskAnswer::Identity),
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
        if let Some(shared) = self.regions.get(path) {
            return Ok(DiskAnswer::Number(shared.region.len() as u64));
        }
        let id = self.disk.file(path)?;
        Ok(DiskAnswer::Number(self.disk.inode(id)?.live.len() as u64))
    }

    fn read_all(&mut self, path: &Path) -> Answered {
        if let Some(shared) = self.regions.get(path) {
            return Ok(DiskAnswer::Contents(shared.region.bytes(0..shared.region.len()).to_vec()));
        }
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
        let written = disk.write(id, 0, contents, crate::submission::operation::Sync::None)?;
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

    fn memory_left(&self) -> u64 {
        let taken: u64 = self.regions.values().map(|shared| shared.region.len() as u64).sum();
        self.memory_max.saturating_sub(taken)
    }

    /// As on the real kernel one that lies on the disk takes none of the memory;
    /// here it takes none of the disk either.
    fn create_region(&mut self, path: PathBuf, len: usize) -> Answered {
        match self.remove_region(&path) {
            Err(Stop::Error(error)) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed?,
        }
        if path.starts_with(MEMORY_DIR) && len as u64 > self.memory_left() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let shared = Shared { region: Region::own(len), held: Weak::new() };
        self.regions.entry(path).insert_entry(shared).get_mut().lend()
    }

    fn remove_region(&mut self, path: &Path) -> Result<(), Stop> {
        match self.regions.get(path) {
            Some(shared) if shared.is_held() => Err(io::ErrorKind::WouldBlock.into()),
            Some(_) => {
                self.regions.remove(path);
                Ok(())
            }
            None => self.disk.remove_file(path),
        }
    }
}

impl Shared {
    fn is_held(&self) -> bool {
        self.held.strong_count() > 0
    }

    /// Locks it for who asks.
    fn lend(&mut self) -> Answered {
        if self.is_held() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if self.region.len() == 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let token = Arc::new(());
        self.held = Arc::downgrade(&token);
        let lock = DirLock::new(HeldLock::World { _token: token });
        Ok(DiskAnswer::Region(Arc::clone(&self.region), lock))
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
