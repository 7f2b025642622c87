//! Holds a decoder to the memory that its input's length allows.

/// Most memory a decoder may hold at once for an input: `per_byte` times its length and `fixed` bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    pub(super) per_byte: usize,
    pub(super) fixed: usize,
}

impl Bound {
    /// Decodes something of `length` bytes; fails if more memory was held at any moment than the bound
    /// allows.
    pub(super) fn hold<T>(self, length: usize, decode: impl FnOnce() -> T) -> Result<T, String> {
        let before = millrace_rt::mark_peak();
        let value = decode();
        let taken = millrace_rt::allocations().peak_bytes - before.in_use_bytes;
        let allowed = (self.fixed + self.per_byte.saturating_mul(length)) as i64;
        if taken <= allowed {
            return Ok(value);
        }
        Err(format!("{taken} bytes of memory for an input of {length}, at most {allowed} are allowed"))
    }
}

/// Whether allocations are counted in this program: without the counting allocator no bound is tested.
pub(super) fn counts() -> bool {
    let before = millrace_rt::allocations();
    drop(std::hint::black_box(Box::new(0u64)));
    millrace_rt::allocations().calls > before.calls
}
