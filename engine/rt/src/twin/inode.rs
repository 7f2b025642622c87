//! One simulated file: what the running system sees, and what the device has.

use std::ops::Range;

use crate::twin::chance::Chance;

/// What a device writes as a whole or not at all.
pub(crate) const SECTOR: usize = 512;

static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

#[derive(Clone, Default)]
pub(crate) struct Inode {
    pub(crate) live: Vec<u8>,
    pub(crate) durable: Vec<u8>,
    /// Room was taken up to here, also beyond the length.
    pub(crate) allocated: usize,
    /// Covers all bytes in which `live` may differ from `durable`.
    dirty: Option<Range<usize>>,
}

impl Inode {
    /// A file whose contents are durable.
    pub(crate) fn hard(contents: Vec<u8>) -> Inode {
        Inode { live: contents.clone(), durable: contents, ..Inode::default() }
    }

    /// Bytes that the file takes of the device.
    pub(crate) fn held_bytes(&self) -> usize {
        self.live.len().max(self.allocated)
    }

    pub(crate) fn read(&self, at: usize, target: &mut [u8]) -> usize {
        let source = self.live.get(at..).unwrap_or_default();
        let count = source.len().min(target.len());
        if let (Some(target), Some(source)) = (target.get_mut(..count), source.get(..count)) {
            target.copy_from_slice(source);
        }
        count
    }

    pub(crate) fn write(&mut self, at: usize, data: &[u8]) {
        put(&mut self.live, at, data);
        self.mark(at..at + data.len());
    }

    /// A write that a crash tore: each sector arrives or does not.
    pub(crate) fn write_torn(&mut self, at: usize, data: &[u8], chance: &mut Chance) {
        let mut offset = 0;
        for sector in data.chunks(SECTOR) {
            if chance.one_in(2) {
                self.write(at + offset, sector);
            }
            offset += sector.len();
        }
    }

    /// A DSYNC write: its own bytes are hard, and the length that covers them.
    pub(crate) fn harden_range(&mut self, at: usize, len: usize) {
        let data = self.live.get(at..at + len).unwrap_or_default();
        put(&mut self.durable, at, data);
    }

    pub(crate) fn harden(&mut self) {
        if let Some(dirty) = self.dirty.take() {
            set_len(&mut self.durable, self.live.len());
            let end = dirty.end.min(self.live.len());
            let start = dirty.start.min(end);
            put(&mut self.durable, start, self.live.get(start..end).unwrap_or_default());
        }
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        let before = self.live.len();
        self.allocated = self.allocated.min(len);
        set_len(&mut self.live, len);
        self.mark(before.min(len)..before.max(len));
    }

    /// What the next boot finds: of each sector that was not hard either version, of the length any between.
    pub(crate) fn lose_power(&mut self, chance: &mut Chance) {
        // Where nothing is dirty both images are the same.
        let Some(dirty) = self.dirty.take() else { return };
        let len = settled_len(self.durable.len(), self.live.len(), chance);
        set_len(&mut self.durable, len);
        let first = dirty.start / SECTOR * SECTOR;
        for start in (first..dirty.end.min(len)).step_by(SECTOR) {
            let end = (start + SECTOR).min(len).min(self.live.len());
            let Some(sector) = self.live.get(start..end) else { continue };
            if chance.one_in(2)
                && let Some(target) = self.durable.get_mut(start..end)
            {
                target.copy_from_slice(sector);
            }
        }
        // Only what was dirty differs: a journal of megabytes is not copied for a page of it.
        set_len(&mut self.live, len);
        let settled = first.min(len)..dirty.end.min(len).max(first.min(len));
        put(&mut self.live, settled.start, self.durable.get(settled).unwrap_or_default());
    }

    fn mark(&mut self, range: Range<usize>) {
        self.dirty = Some(match self.dirty.take() {
            Some(dirty) => dirty.start.min(range.start)..dirty.end.max(range.end),
            None => range,
        });
    }
}

fn settled_len(durable: usize, live: usize, chance: &mut Chance) -> usize {
    match chance.below(3) {
        0 => durable,
        1 => live,
        _ => durable.min(live) + chance.index(durable.abs_diff(live) + 1),
    }
}

/// Cuts an image or lengthens it by zeros, in steps that are fast in a build without optimisation too.
fn set_len(image: &mut Vec<u8>, len: usize) {
    if image.is_empty() {
        // Of a file that is made long at once, as a journal is, the system zeroes what is touched.
        *image = vec![0; len];
    }
    image.truncate(len);
    while image.len() < len {
        let step = ZEROS.len().min(len - image.len());
        image.extend_from_slice(ZEROS.get(..step).unwrap_or_default());
    }
}

fn put(image: &mut Vec<u8>, at: usize, data: &[u8]) {
    if image.len() < at + data.len() {
        set_len(image, at + data.len());
    }
    if let Some(target) = image.get_mut(at..at + data.len()) {
        target.copy_from_slice(data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hard_range_survives_and_the_rest_may_not() {
        let mut lost = 0;
        for seed in 0..64 {
            let mut inode = Inode::default();
            inode.write(0, &[1; 1024]);
            inode.write(1024, &[2; 512]);
            inode.harden_range(1024, 512);
            inode.lose_power(&mut Chance::new(seed));
            assert_eq!(inode.live.get(1024..1536), Some(&[2u8; 512][..]), "seed {seed}");
            lost += usize::from(inode.live.get(..512) == Some(&[0u8; 512][..]));
        }
        assert!(lost > 8 && lost < 56, "{lost} of 64");
    }

    /// Whatever was written, cut and hardened before, both images are one afterwards.
    #[test]
    fn nothing_is_dirty_behind_a_power_loss() {
        for seed in 0..500 {
            let mut chance = Chance::new(seed);
            let mut inode = Inode::default();
            for step in 0..20_u8 {
                let (at, len) = (chance.index(6000), chance.index(3000));
                match chance.below(6) {
                    0 => inode.harden(),
                    1 => inode.truncate(at),
                    2 => inode.write_torn(at, &vec![step; len], &mut chance),
                    3 if at + len <= inode.live.len() => inode.harden_range(at, len),
                    _ => inode.write(at, &vec![step; len]),
                }
                if chance.one_in(5) {
                    inode.lose_power(&mut chance);
                    assert!(inode.live == inode.durable, "seed {seed}, step {step}");
                }
            }
        }
    }

    #[test]
    fn a_cut_file_may_come_back_until_it_is_synced() {
        let mut inode = Inode::default();
        inode.write(0, &[1; 2048]);
        inode.harden();
        inode.truncate(512);
        inode.harden();
        inode.lose_power(&mut Chance::new(1));
        assert_eq!(inode.live, vec![1; 512]);
    }
}
