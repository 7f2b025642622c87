//! The files under check: what git tracks, as text.

use super::rust::RustFile;
use std::error::Error;
use std::path::Path;
use std::process::Command;

/// Code that a generator wrote: checked by its own test, exempt from the rules about form and names.
const GENERATED: &[&str] = &["net/wire/src/generated/", "engine/core/src/coord/records/generated/"];

/// Every tracked text file.
pub(in crate::tidy) struct Tree {
    pub(in crate::tidy) files: Vec<TextFile>,
    pub(in crate::tidy) rust: Vec<RustFile>,
}

pub(in crate::tidy) struct TextFile {
    pub(in crate::tidy) path: String,
    pub(in crate::tidy) text: String,
}

impl Tree {
    pub(in crate::tidy) fn new(files: Vec<TextFile>) -> Tree {
        let sources = files.iter().filter(|file| file.path.ends_with(".rs"));
        let rust = sources.map(|file| RustFile::new(&file.path, &file.text)).collect();
        Tree { files, rust }
    }

    /// Reads what git tracks below `root`, in the order of the paths. Files that are deleted but still
    /// tracked, and files that are not text, are left out.
    #[expect(clippy::disallowed_methods, reason = "a development command works on the source tree itself")]
    pub(in crate::tidy) fn tracked(root: &Path) -> Result<Tree, Box<dyn Error>> {
        let listing = Command::new("git").arg("-C").arg(root).args(["ls-files", "-z"]).output()?;
        if !listing.status.success() {
            return Err(format!("git ls-files: {}", String::from_utf8_lossy(&listing.stderr)).into());
        }
        let names = String::from_utf8(listing.stdout)?;
        let mut files = Vec::new();
        for path in names.split('\0').filter(|path| !path.is_empty()) {
            match std::fs::read_to_string(root.join(path)) {
                Ok(text) => files.push(TextFile { path: path.to_owned(), text }),
                Err(error) if is_left_out(error.kind()) => {}
                Err(error) => return Err(format!("{path}: {error}").into()),
            }
        }
        Ok(Tree::new(files))
    }

    /// Rust files that a person wrote.
    pub(in crate::tidy) fn written(&self) -> impl Iterator<Item = &RustFile> {
        self.rust.iter().filter(|file| !is_generated(&file.path))
    }

    /// The text of a tracked file.
    pub(in crate::tidy) fn text(&self, path: &str) -> Option<&str> {
        self.files.iter().find(|file| file.path == path).map(|file| file.text.as_str())
    }
}

/// Whether a generator wrote the file.
pub(in crate::tidy) fn is_generated(path: &str) -> bool {
    GENERATED.iter().any(|folder| path.starts_with(folder))
}

fn is_left_out(kind: std::io::ErrorKind) -> bool {
    use std::io::ErrorKind::{InvalidData, IsADirectory, NotFound};
    matches!(kind, NotFound | InvalidData | IsADirectory)
}
