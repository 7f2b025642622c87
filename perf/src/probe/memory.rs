//! Memory that direct reads and writes accept.

/// Direct reads and writes take memory that begins at a multiple of the device's block;
/// 4 KiB serves every device.
pub(super) const BLOCK_BYTES: usize = 4096;

/// Bytes that begin at a multiple of `BLOCK_BYTES`.
pub(super) struct AlignedMemory {
    memory: Vec<u8>,
}

impl AlignedMemory {
    pub(super) fn new(bytes: usize) -> AlignedMemory {
        AlignedMemory { memory: vec![0x5a; bytes + BLOCK_BYTES] }
    }

    /// The first so many bytes.
    pub(super) fn bytes(&self, bytes: usize) -> &[u8] {
        let skip = self.memory.as_ptr().align_offset(BLOCK_BYTES);
        &self.memory[skip..skip + bytes]
    }

    pub(super) fn bytes_mut(&mut self, bytes: usize) -> &mut [u8] {
        let skip = self.memory.as_ptr().align_offset(BLOCK_BYTES);
        &mut self.memory[skip..skip + bytes]
    }
}
