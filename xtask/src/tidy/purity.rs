//! Rules about what code may touch: `unsafe`, the outside world in deciding code, the kernel below the seam.

use super::finding::Finding;
use super::source::{RustFile, Tree};

/// Files that may say `unsafe`, and why each must.
const UNSAFE_FILES: &[(&str, &str)] = &[
    ("engine/rt/src/memory/block.rs", "blocks of mapped memory, and a stack inside those that come back"),
    ("engine/rt/src/memory/pages.rs", "mappings of memory from the system"),
    ("engine/rt/src/tail.rs", "one writer beside readers of what is already written, in one block"),
    ("engine/rt/src/memory/region.rs", "a mapped file is shared memory behind a pointer"),
    ("engine/rt/src/mesh/lane.rs", "a queue of uninitialised cells between two threads"),
    ("engine/rt/src/mesh/replies.rs", "an intrusive stack between threads"),
    ("engine/rt/src/start/driver.rs", "the executor takes a raw descriptor"),
    ("engine/rt/src/uring/ring.rs", "entries are pushed into the kernel's queue"),
    ("engine/rt/src/uring/entries.rs", "entries carry the addresses of buffers"),
    ("engine/rt/src/uring/progress.rs", "a socket option that no crate wraps"),
    ("engine/rt/src/uring/barrier.rs", "a system call that libc does not wrap"),
    ("engine/rt/src/uring/slice.rs", "system calls that libc does not wrap"),
    ("engine/rt/src/memory/payload.rs", "the one copy of payload, into memory that others read beside it"),
    ("engine/rt/src/memory/counting.rs", "an allocator that counts is an unsafe trait"),
    ("engine/rt/examples/measure.rs", "the CPU time of the process has no safe call in std"),
    ("engine/rt/examples/paths.rs", "a bare ring, to measure what registered memory saves"),
];

/// Crates that must forbid `unsafe` outright.
const FORBID_UNSAFE: &[&str] =
    &["engine/codec/src/lib.rs", "engine/core/src/lib.rs", "net/wire/src/lib.rs", "net/schema/src/lib.rs"];

/// Sources of deciding code: events and the time go in as values, what is to be done comes out.
const DECIDING: &[&str] =
    &["engine/codec/src/", "engine/core/src/", "net/wire/src/", "net/schema/src/", "net/client/src/member/"];

/// What deciding code may not name; tests inside these folders are held to it too.
const OUTSIDE_WORLD: &[&str] =
    &["std::fs", "std::net", "std::thread", "std::process", "std::env", "std::os", "tokio", "millrace_rt"];

/// Words that deciding code has no use for.
const OUTSIDE_WORDS: &[&str] = &["async", "await", "Instant", "SystemTime"];

/// The kernel below the runtime seam: crate, and the folders that may name it.
const BELOW_THE_SEAM: &[(&str, &[&str])] =
    &[("glommio", &["engine/rt/"]), ("io_uring", &["engine/rt/", "perf/"])];

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    for file in &tree.rust {
        unsafe_code(file, findings);
        below_the_seam(file, findings);
        if DECIDING.iter().any(|folder| file.path.starts_with(folder)) {
            deciding(file, findings);
        }
        if FORBID_UNSAFE.contains(&file.path.as_str()) && !file.text.contains("#![forbid(unsafe_code)]") {
            let text = "this crate decides and needs no `unsafe`; say `#![forbid(unsafe_code)]`";
            findings.push(Finding::new(&file.path, 1, "unsafe", text));
        }
    }
}

fn unsafe_code(file: &RustFile, findings: &mut Vec<Finding>) {
    if UNSAFE_FILES.iter().any(|(path, _)| *path == file.path) {
        return;
    }
    for token in file.tokens.iter().filter(|token| token.text == "unsafe") {
        let text = "`unsafe` outside the listed files of engine/rt; find a safe way, or list the file with \
                    its reason in xtask/src/tidy/purity.rs";
        findings.push(Finding::new(&file.path, token.line, "unsafe", text));
    }
}

fn below_the_seam(file: &RustFile, findings: &mut Vec<Finding>) {
    for token in &file.tokens {
        let named = BELOW_THE_SEAM.iter().find(|(name, _)| *name == token.text);
        let Some((name, folders)) = named else { continue };
        if !folders.iter().any(|folder| file.path.starts_with(folder)) {
            let text = format!("only engine/rt may name {name}; go through millrace_rt");
            findings.push(Finding::new(&file.path, token.line, "seam", text));
        }
    }
}

fn deciding(file: &RustFile, findings: &mut Vec<Finding>) {
    for token in file.tokens.iter().filter(|token| OUTSIDE_WORDS.contains(&token.text.as_str())) {
        let text = format!("`{}` in code that decides; take the event or the time as a value", token.text);
        findings.push(Finding::new(&file.path, token.line, "purity", text));
    }
    for found in &file.uses {
        let path = found.path.join("::");
        let is_below = |outside: &&&str| path == **outside || path.starts_with(&format!("{outside}::"));
        if let Some(outside) = OUTSIDE_WORLD.iter().find(is_below) {
            let text =
                format!("`{outside}` in code that decides; say what is to be done, and let the shard do it");
            findings.push(Finding::new(&file.path, found.line, "purity", text));
        }
    }
}
