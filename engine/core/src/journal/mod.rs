//! The journal: frames, what to write, what to carry, what to reuse, how to recover.
