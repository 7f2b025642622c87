//! Directories of a simulated disk, and the changes of them that are not hard yet.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use crate::submission::names::InodeId;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangedEntry {
    Dir,
    File(InodeId),
}

pub(crate) type Tree = BTreeMap<PathBuf, ChangedEntry>;

/// A change of a directory that is not hard yet.
#[derive(Clone)]
pub(crate) enum Change {
    Put(PathBuf, ChangedEntry),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf),
}

impl Change {
    pub(crate) fn concerns(&self, dir: &Path) -> bool {
        match self {
            Change::Put(path, _) | Change::Remove(path) => path.parent() == Some(dir),
            Change::Rename(from, to) => from.parent() == Some(dir) || to.parent() == Some(dir),
        }
    }

    /// A path on the file system that changes.
    pub(crate) fn place(&self) -> &Path {
        match self {
            Change::Put(path, _) | Change::Remove(path) | Change::Rename(_, path) => path,
        }
    }

    pub(crate) fn touches(&self, path: &Path) -> bool {
        match self {
            Change::Put(of, _) | Change::Remove(of) => of.starts_with(path),
            Change::Rename(from, to) => from.starts_with(path) || to.starts_with(path),
        }
    }

    pub(crate) fn apply(self, tree: &mut Tree) {
        match self {
            Change::Put(path, entry) => drop(tree.insert(path, entry)),
            Change::Remove(path) => drop(tree.remove(&path)),
            Change::Rename(from, to) => rename_in(tree, &from, &to),
        }
    }

    /// A directory has another name: what changes in it goes with it.
    pub(crate) fn follow(&mut self, from: &Path, to: &Path) {
        let follow = |path: &mut PathBuf| {
            if let Some(renamed) = renamed(path, from, to) {
                *path = renamed;
            }
        };
        match self {
            Change::Put(path, _) | Change::Remove(path) => follow(path),
            Change::Rename(old, new) => {
                follow(old);
                follow(new);
            }
        }
    }
}

impl ChangedEntry {
    pub(crate) fn inode(self) -> Option<InodeId> {
        match self {
            ChangedEntry::File(id) => Some(id),
            ChangedEntry::Dir => None,
        }
    }
}

pub(crate) fn is_dir_in(tree: &Tree, path: &Path) -> bool {
    path.as_os_str().is_empty() || tree.get(path) == Some(&ChangedEntry::Dir)
}

/// An entry and all below it, which paths' order keeps together: a node may hold thousands of directories.
pub(crate) fn within<'a>(
    tree: &'a Tree,
    path: &'a Path,
) -> impl Iterator<Item = (&'a PathBuf, &'a ChangedEntry)> {
    let from = tree.range::<Path, _>((Bound::Included(path), Bound::Unbounded));
    from.take_while(move |(found, _)| found.starts_with(path))
}

/// What a directory holds itself.
pub(crate) fn entries_of<'a>(
    tree: &'a Tree,
    dir: &'a Path,
) -> impl Iterator<Item = (&'a PathBuf, &'a ChangedEntry)> {
    within(tree, dir).filter(move |(path, _)| path.parent() == Some(dir))
}

/// Moves an entry and, if it is a directory, all below it.
pub(crate) fn rename_in(tree: &mut Tree, from: &Path, to: &Path) {
    let moved: Vec<PathBuf> = within(tree, from).map(|(path, _)| path.clone()).collect();
    for path in moved {
        let (Some(entry), Some(target)) = (tree.remove(&path), renamed(&path, from, to)) else { continue };
        tree.insert(target, entry);
    }
}

/// What a path is called once `from` is called `to`, if it is that or below it.
pub(crate) fn renamed(path: &Path, from: &Path, to: &Path) -> Option<PathBuf> {
    let rest = path.strip_prefix(from).ok()?;
    Some(if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) })
}
