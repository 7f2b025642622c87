//! The simulated disk of one node: a live and a durable tree of files, and what an unlucky moment leaves of them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::submission::names::InodeId;
use crate::submission::operation::{DirEntry, FileIdentity, OpenOptions, Sync};
use crate::twin::chance::Chance;
use crate::twin::changes::{Change, ChangedEntry, Tree, entries_of, is_dir_in, rename_in, renamed, within};
use crate::twin::inode::{Inode, SECTOR};

/// How a node ends against its will.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The process dies: completed writes and shared memory stay.
    Process,
    /// The machine loses power: only what is durable stays.
    Power,
}

/// What goes wrong on a node's disk from now on. Counts begin at 1 with the next operation of that kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFault {
    /// No fault any more.
    None,
    /// DSYNC writes are acknowledged without being hard.
    IgnoreDsync,
    /// The n-th write fails with EIO.
    FailWrite(u64),
    /// The n-th write takes about half of its bytes.
    ShortWrite(u64),
    /// This many more bytes fit, and what is deleted from now on makes room again.
    Full(u64),
    /// This many more files and directories can be made, and what is deleted from now on makes room again.
    FewInodes(u64),
    /// The n-th read fails with EIO.
    ReadError(u64),
    /// The n-th sync of a file fails with EIO.
    FailSync(u64),
    /// The n-th operation that changes the disk fails with EIO: writes, syncs, creations, renames, unlinks, truncations.
    FailOperation(u64),
    /// The n-th opening of a file that exists fails with EIO.
    FailOpen(u64),
    /// The n-th lookup of a path fails with EIO: whether it is there, how long it is, what a directory holds.
    FailLookup(u64),
    /// Each operation takes this much longer.
    Slow(Duration),
}

/// Why an operation did not happen.
pub(crate) enum Stop {
    Crash(Crash),
    Error(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::Error(error)
    }
}

impl From<io::ErrorKind> for Stop {
    fn from(kind: io::ErrorKind) -> Stop {
        Stop::Error(kind.into())
    }
}

/// Counters that run down to the faulty operation.
#[derive(Clone, Default)]
pub(crate) struct Faults {
    ignore_dsync: bool,
    fail_write: u64,
    short_write: u64,
    read_error: u64,
    fail_sync: u64,
    fail_operation: u64,
    fail_open: u64,
    fail_lookup: u64,
    /// Bytes of all files together; what goes beyond is refused.
    capacity: Option<u64>,
    /// The same of files and directories.
    inodes_max: Option<u64>,
    pub(crate) delay: Duration,
}

#[derive(Clone)]
pub(crate) struct Disk {
    pub(crate) inodes: BTreeMap<InodeId, Inode>,
    issued: u64,
    live: Tree,
    durable: Tree,
    changes: Vec<Change>,
    /// Directories that are file systems of their own.
    pub(crate) mounts: Vec<PathBuf>,
    pub(crate) faults: Faults,
    pub(crate) operations: u64,
    pub(crate) reads: u64,
    pub(crate) opens: u64,
    pub(crate) lookups: u64,
    /// The file whose write or sync failed last.
    pub(crate) failed_write: Option<PathBuf>,
    /// Writes, reservations and creations that found no room.
    pub(crate) full_refusals: u64,
    pub(crate) crash_at: Option<(u64, Crash)>,
}

/// What a disk holds that nobody made small.
const UNLIMITED_BYTES: u64 = 1 << 40;
const UNLIMITED_INODES: u64 = 1 << 32;

/// Directories that every machine has.
const GIVEN_DIRS: [&str; 4] = ["/", "/dev", "/dev/shm", "/tmp"];

impl Disk {
    pub(crate) fn new() -> Disk {
        let given: Tree = GIVEN_DIRS.iter().map(|dir| (PathBuf::from(dir), ChangedEntry::Dir)).collect();
        Disk {
            inodes: BTreeMap::new(),
            issued: 0,
            live: given.clone(),
            durable: given,
            changes: Vec::new(),
            mounts: Vec::new(),
            faults: Faults::default(),
            operations: 0,
            reads: 0,
            opens: 0,
            lookups: 0,
            failed_write: None,
            full_refusals: 0,
            crash_at: None,
        }
    }

    /// Whether an operation is yet to fail.
    pub(crate) fn is_to_fail(&self) -> bool {
        let Faults {
            fail_write,
            short_write,
            read_error,
            fail_sync,
            fail_operation,
            fail_open,
            fail_lookup,
            ..
        } = self.faults;
        [fail_write, short_write, read_error, fail_sync, fail_operation, fail_open, fail_lookup] != [0; 7]
    }

    pub(crate) fn set_fault(&mut self, fault: DiskFault) {
        match fault {
            DiskFault::None => self.faults = Faults::default(),
            DiskFault::IgnoreDsync => self.faults.ignore_dsync = true,
            DiskFault::FailWrite(n) => self.faults.fail_write = n,
            DiskFault::ShortWrite(n) => self.faults.short_write = n,
            DiskFault::ReadError(n) => self.faults.read_error = n,
            DiskFault::FailSync(n) => self.faults.fail_sync = n,
            DiskFault::FailOperation(n) => self.faults.fail_operation = n,
            DiskFault::FailOpen(n) => self.faults.fail_open = n,
            DiskFault::FailLookup(n) => self.faults.fail_lookup = n,
            DiskFault::Full(bytes) => self.faults.capacity = Some(self.used_bytes() + bytes),
            DiskFault::FewInodes(more) => self.faults.inodes_max = Some(self.live.len() as u64 + more),
            DiskFault::Slow(delay) => self.faults.delay = delay,
        }
    }

    pub(crate) fn capacity(&self) -> u64 {
        self.faults.capacity.unwrap_or(UNLIMITED_BYTES)
    }

    /// Bytes that still fit.
    pub(crate) fn room(&self) -> u64 {
        self.capacity().saturating_sub(self.used_bytes())
    }

    /// Files and directories that can still be made.
    pub(crate) fn inodes_left(&self) -> u64 {
        self.faults.inodes_max.unwrap_or(UNLIMITED_INODES).saturating_sub(self.live.len() as u64)
    }

    fn take_inode(&mut self) -> Result<(), Stop> {
        if self.inodes_left() > 0 {
            return Ok(());
        }
        self.full_refusals += 1;
        Err(io::ErrorKind::StorageFull.into())
    }

    fn used_bytes(&self) -> u64 {
        let named = self.live.values().filter_map(|entry| self.inodes.get(&entry.inode()?));
        named.map(|inode| inode.held_bytes() as u64).sum()
    }

    /// Counts an operation that changes the disk; the planned crash comes just before it.
    pub(crate) fn tick(&mut self) -> Result<(), Stop> {
        let next = self.operations + 1;
        if let Some((_, kind)) = self.crash_at.take_if(|(at, _)| *at <= next) {
            return Err(Stop::Crash(kind));
        }
        self.operations = next;
        if counted_down(&mut self.faults.fail_operation) {
            return Err(io_failed());
        }
        Ok(())
    }

    /// Counts a lookup of a path, which may fail where the path itself is well.
    pub(crate) fn look_up(&mut self) -> Result<(), Stop> {
        self.lookups += 1;
        if counted_down(&mut self.faults.fail_lookup) { Err(io_failed()) } else { Ok(()) }
    }

    /// Counts a write or a sync; one that fails leaves the name of its file.
    fn may_harden(&mut self, id: InodeId, counter: fn(&mut Faults) -> &mut u64) -> Result<(), Stop> {
        let allowed = self.tick().and_then(|()| match counted_down(counter(&mut self.faults)) {
            true => Err(io_failed()),
            false => Ok(()),
        });
        if matches!(allowed, Err(Stop::Error(_))) {
            let named = self.live.iter().find(|(_, entry)| entry.inode() == Some(id));
            self.failed_write = named.map(|(path, _)| path.clone());
        }
        allowed
    }

    pub(crate) fn inode(&mut self, id: InodeId) -> Result<&mut Inode, Stop> {
        self.inodes.get_mut(&id).ok_or(Stop::Error(io::Error::from_raw_os_error(libc::EBADF)))
    }

    pub(crate) fn read(&mut self, id: InodeId, at: u64, target: &mut [u8]) -> Result<usize, Stop> {
        self.reads += 1;
        if counted_down(&mut self.faults.read_error) {
            return Err(io_failed());
        }
        Ok(self.inode(id)?.read(position(at), target))
    }

    pub(crate) fn write(&mut self, id: InodeId, at: u64, data: &[u8], sync: Sync) -> Result<usize, Stop> {
        self.may_harden(id, |faults| &mut faults.fail_write)?;
        let mut count = data.len();
        if counted_down(&mut self.faults.short_write) {
            count = count / 2 / SECTOR * SECTOR;
        }
        let at = position(at);
        count = self.fit(id, at, count)?;
        let ignore_dsync = self.faults.ignore_dsync;
        let inode = self.inode(id)?;
        inode.write(at, data.get(..count).unwrap_or_default());
        if sync == Sync::Dsync && !ignore_dsync {
            inode.harden_range(at, count);
        }
        Ok(count)
    }

    /// How much of a write fits on the device.
    fn fit(&mut self, id: InodeId, at: usize, count: usize) -> Result<usize, Stop> {
        if self.faults.capacity.is_none() {
            return Ok(count);
        }
        let room = self.room();
        let held = self.inode(id)?.held_bytes();
        let growth = (at + count).saturating_sub(held.max(at)) as u64;
        let missing = growth.saturating_sub(room);
        let fitting = count.saturating_sub(position(missing)).next_multiple_of(SECTOR);
        let fitting = if missing == 0 { count } else { fitting.saturating_sub(SECTOR) };
        if fitting < count {
            self.full_refusals += 1;
        }
        if fitting == 0 && count > 0 {
            return Err(Stop::Error(io::ErrorKind::StorageFull.into()));
        }
        Ok(fitting)
    }

    /// Takes room for later writes, all of it or none; the file's length stays.
    pub(crate) fn allocate(&mut self, id: InodeId, at: u64, len: u64) -> Result<(), Stop> {
        let end = position(at).saturating_add(position(len));
        let growth = end.saturating_sub(self.inode(id)?.held_bytes()) as u64;
        if self.faults.capacity.is_some() && growth > self.room() {
            self.full_refusals += 1;
            return Err(io::ErrorKind::StorageFull.into());
        }
        let inode = self.inode(id)?;
        inode.allocated = inode.allocated.max(end);
        Ok(())
    }

    pub(crate) fn sync_data(&mut self, id: InodeId) -> Result<(), Stop> {
        self.may_harden(id, |faults| &mut faults.fail_sync)?;
        self.inode(id)?.harden();
        Ok(())
    }

    pub(crate) fn truncate(&mut self, id: InodeId, len: u64) -> Result<(), Stop> {
        self.tick()?;
        self.inode(id)?.truncate(position(len));
        Ok(())
    }

    pub(crate) fn open(&mut self, path: &Path, options: OpenOptions) -> Result<InodeId, Stop> {
        match self.live.get(path) {
            Some(ChangedEntry::File(_)) if options.create_new => Err(io::ErrorKind::AlreadyExists.into()),
            Some(ChangedEntry::File(id)) => {
                self.opens += 1;
                if counted_down(&mut self.faults.fail_open) { Err(io_failed()) } else { Ok(*id) }
            }
            Some(ChangedEntry::Dir) => Err(io::ErrorKind::IsADirectory.into()),
            None if options.write && (options.create || options.create_new) => self.create(path),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(crate) fn create(&mut self, path: &Path) -> Result<InodeId, Stop> {
        self.require_dir(parent_of(path))?;
        self.tick()?;
        self.take_inode()?;
        self.issued += 1;
        let id = InodeId(self.issued);
        self.inodes.insert(id, Inode::default());
        self.change(Change::Put(path.to_owned(), ChangedEntry::File(id)));
        Ok(id)
    }

    pub(crate) fn file(&self, path: &Path) -> Result<InodeId, Stop> {
        match self.live.get(path) {
            Some(ChangedEntry::File(id)) => Ok(*id),
            Some(ChangedEntry::Dir) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(crate) fn exists(&self, path: &Path) -> bool {
        self.is_dir(path) || self.live.contains_key(path)
    }

    pub(crate) fn create_dir_all(&mut self, path: &Path) -> Result<(), Stop> {
        let missing: Vec<PathBuf> =
            path.ancestors().filter(|dir| !self.is_dir(dir)).map(Path::to_owned).collect();
        for dir in missing.into_iter().rev() {
            if self.live.contains_key(&dir) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            self.tick()?;
            self.take_inode()?;
            self.change(Change::Put(dir, ChangedEntry::Dir));
        }
        Ok(())
    }

    /// A file in a directory of its own; a crash can fall between the two.
    pub(crate) fn create_alone(&mut self, path: &Path) -> Result<(), Stop> {
        let dir = parent_of(path);
        if !self.is_dir(dir) {
            self.require_dir(parent_of(dir))?;
            self.create_dir_all(dir)?;
        }
        if entries_of(&self.live, dir).any(|(found, _)| found != path) {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        if !self.live.contains_key(path) {
            return self.create(path).map(drop);
        }
        let id = self.file(path)?;
        let is_empty = self.inode(id)?.live.is_empty();
        if is_empty { Ok(()) } else { Err(io::ErrorKind::DirectoryNotEmpty.into()) }
    }

    pub(crate) fn sync_dir(&mut self, dir: &Path) -> Result<(), Stop> {
        self.require_dir(dir)?;
        self.tick()?;
        for change in std::mem::take(&mut self.changes) {
            if change.concerns(dir) {
                if let Change::Rename(from, to) = &change {
                    self.changes.iter_mut().for_each(|earlier| earlier.follow(from, to));
                }
                change.apply(&mut self.durable);
            } else {
                self.changes.push(change);
            }
        }
        Ok(())
    }

    /// Hardens what is on the file system that holds `path`.
    pub(crate) fn sync_fs(&mut self, path: &Path) -> Result<(), Stop> {
        self.tick()?;
        let device = self.device(path);
        for change in std::mem::take(&mut self.changes) {
            if self.device(change.place()) == device {
                change.apply(&mut self.durable);
            } else {
                self.changes.push(change);
            }
        }
        let others: Vec<InodeId> = match self.mounts.is_empty() {
            true => Vec::new(),
            false => self.files_of(|found| found != device),
        };
        let own = self.inodes.iter_mut().filter(|(id, _)| !others.contains(id));
        own.for_each(|(_, inode)| inode.harden());
        Ok(())
    }

    fn files_of(&self, is_meant: impl Fn(u64) -> bool) -> Vec<InodeId> {
        let files = self.live.iter().filter(|(path, _)| is_meant(self.device(path)));
        files.filter_map(|(_, entry)| entry.inode()).collect()
    }

    /// The file system that a path is on: the first, or that of the last mount that leads to it.
    fn device(&self, path: &Path) -> u64 {
        let mount = self.mounts.iter().rposition(|mount| path.starts_with(mount));
        mount.map_or(1, |place| place as u64 + 2)
    }

    pub(crate) fn elsewhere(&mut self, dir: &Path) -> Result<Vec<DirEntry>, Stop> {
        let device = self.device(dir);
        let entries = self.read_dir(dir)?;
        Ok(entries.into_iter().filter(|entry| self.device(&dir.join(&entry.name)) != device).collect())
    }

    pub(crate) fn read_dir(&self, dir: &Path) -> Result<Vec<DirEntry>, Stop> {
        self.require_dir(dir)?;
        Ok(entries_of(&self.live, dir)
            .filter_map(|(path, entry)| {
                let name = path.file_name()?.to_string_lossy().into_owned();
                Some(DirEntry { name, is_dir: *entry == ChangedEntry::Dir })
            })
            .collect())
    }

    pub(crate) fn remove_file(&mut self, path: &Path) -> Result<(), Stop> {
        self.file(path)?;
        self.tick()?;
        self.change(Change::Remove(path.to_owned()));
        Ok(())
    }

    pub(crate) fn remove_dir_all(&mut self, dir: &Path) -> Result<(), Stop> {
        self.require_dir(dir)?;
        let below: Vec<PathBuf> = within(&self.live, dir).map(|(path, _)| path.clone()).collect();
        for path in below.into_iter().rev() {
            self.tick()?;
            self.change(Change::Remove(path));
        }
        Ok(())
    }

    pub(crate) fn rename(&mut self, from: &Path, to: &Path) -> Result<(), Stop> {
        if !self.live.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.require_dir(parent_of(to))?;
        if self.is_dir(to) && entries_of(&self.live, to).next().is_some() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        self.tick()?;
        self.change(Change::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    /// What the next boot finds after a power loss. Of the unsynced directory changes a prefix may have survived, as
    /// in a file system with an ordered journal.
    pub(crate) fn lose_power(&mut self, chance: &mut Chance) {
        let survivors = if chance.one_in(2) { 0 } else { chance.index(self.changes.len() + 1) };
        for change in std::mem::take(&mut self.changes).into_iter().take(survivors) {
            change.apply(&mut self.durable);
        }
        let reachable = |path: &Path| path.ancestors().skip(1).all(|dir| is_dir_in(&self.durable, dir));
        let orphans: Vec<PathBuf> = self.durable.keys().filter(|path| !reachable(path)).cloned().collect();
        for path in orphans {
            self.durable.remove(&path);
        }
        self.live.clone_from(&self.durable);
        let named: BTreeSet<InodeId> = self.live.values().filter_map(|entry| entry.inode()).collect();
        self.inodes.retain(|id, _| named.contains(id));
        for inode in self.inodes.values_mut() {
            inode.lose_power(chance);
        }
    }

    /// A path's own: a copy of it has another. Here a renaming changes it, too.
    pub(crate) fn identity(&mut self, path: &Path) -> Result<FileIdentity, Stop> {
        self.look_up()?;
        if !self.exists(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let bytes = path.as_os_str().as_encoded_bytes();
        // FNV-1a, the same in each run.
        let inode = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Ok(FileIdentity { device: self.device(path), inode })
    }

    /// Puts a copy of a directory, with all that it holds now, in another place; all of it is durable.
    pub(crate) fn copy_tree(&mut self, from: &Path, to: &Path) {
        let found: Vec<(PathBuf, ChangedEntry)> = within(&self.live, from)
            .filter_map(|(path, entry)| Some((renamed(path, from, to)?, *entry)))
            .collect();
        for (path, entry) in found {
            let entry = match entry {
                ChangedEntry::Dir => ChangedEntry::Dir,
                ChangedEntry::File(id) => {
                    let contents = self.inodes.get(&id).map(|inode| inode.live.clone()).unwrap_or_default();
                    self.issued += 1;
                    let id = InodeId(self.issued);
                    self.inodes.insert(id, Inode::hard(contents));
                    ChangedEntry::File(id)
                }
            };
            self.live.insert(path.clone(), entry);
            self.durable.insert(path, entry);
        }
    }

    /// A file is there, durably, with the directory that it is in.
    pub(crate) fn put(&mut self, path: &Path, contents: Vec<u8>) {
        self.issued += 1;
        let id = InodeId(self.issued);
        self.inodes.insert(id, Inode::hard(contents));
        for (path, entry) in [(parent_of(path), ChangedEntry::Dir), (path, ChangedEntry::File(id))] {
            self.live.insert(path.to_path_buf(), entry);
            self.durable.insert(path.to_path_buf(), entry);
        }
    }

    /// A path, and all below it, is gone from both trees.
    pub(crate) fn vanish(&mut self, path: &Path) {
        self.live.retain(|found, _| !found.starts_with(path));
        self.durable.retain(|found, _| !found.starts_with(path));
        self.changes.retain(|change| !change.touches(path));
    }

    pub(crate) fn durable_inode(&self, path: &Path) -> Option<&Inode> {
        self.inodes.get(&self.durable.get(path)?.inode()?)
    }

    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let files = self.live.iter().filter(|(_, entry)| entry.inode().is_some());
        files.map(|(path, _)| path.clone()).collect()
    }

    fn change(&mut self, change: Change) {
        match &change {
            Change::Put(path, entry) => drop(self.live.insert(path.clone(), *entry)),
            Change::Remove(path) => drop(self.live.remove(path)),
            Change::Rename(from, to) => rename_in(&mut self.live, from, to),
        }
        self.changes.push(change);
    }

    fn is_dir(&self, path: &Path) -> bool {
        is_dir_in(&self.live, path)
    }

    fn require_dir(&self, path: &Path) -> Result<(), Stop> {
        if self.is_dir(path) { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    }
}

pub(crate) fn parent_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

pub(crate) fn position(at: u64) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

fn counted_down(counter: &mut u64) -> bool {
    if *counter == 0 {
        return false;
    }
    *counter -= 1;
    *counter == 0
}

fn io_failed() -> Stop {
    Stop::Error(io::Error::from_raw_os_error(libc::EIO))
}
