//! The command `check`: format, rules of the house, and clippy of the crates that have changes, in seconds;
//! with `--tests` their tests, too.

use crate::codegen::root;
use crate::tidy;
use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;
use std::process::Command;

/// Whether the changed crates' tests run, which takes from seconds to minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tests {
    Run,
    Leave,
}

/// Checks what differs from the last commit; the error lists what is to be done.
pub(crate) fn check(tests: Tests) -> Result<String, Box<dyn Error>> {
    let root = root();
    // `-l` names the files only; `cargo fmt` shows what it does to them.
    cargo(&root, &["fmt", "--all", "--check", "--", "-l"])?;
    let summary = tidy::run()?;
    let crates = changed_crates(&root)?;
    if crates.is_empty() {
        return Ok(format!("{summary}\nno crate has changes"));
    }
    let names: Vec<&str> = crates.iter().map(String::as_str).collect();
    let packages: Vec<&str> = names.iter().flat_map(|name| ["-p", name]).collect();
    cargo(&root, &[&["clippy", "--all-targets"], &packages[..], &["--", "-D", "warnings"]].concat())?;
    let names = names.join(", ");
    if tests == Tests::Leave {
        return Ok(format!("{summary}\nclippy: {names} in order"));
    }
    cargo(&root, &[&["test"], &packages[..]].concat())?;
    Ok(format!("{summary}\nclippy and tests: {names} in order"))
}

/// Names of the packages with files that differ from the last commit.
fn changed_crates(root: &Path) -> Result<BTreeSet<String>, Box<dyn Error>> {
    let mut git = Command::new("git");
    git.current_dir(root).args(["status", "--porcelain", "-z", "--untracked-files=all", "--no-renames"]);
    let listing = git.output()?;
    if !listing.status.success() {
        return Err(format!("git status: {}", String::from_utf8_lossy(&listing.stderr)).into());
    }
    let listing = String::from_utf8(listing.stdout)?;
    // Each entry is two letters of state, a blank, and the path.
    let paths = listing.split('\0').filter_map(|entry| entry.get(3..));
    Ok(paths.filter_map(|path| package(root, Path::new(path))).collect())
}

/// The package that a file belongs to: the nearest manifest above it.
#[expect(clippy::disallowed_methods, reason = "a development command reads the source tree")]
fn package(root: &Path, path: &Path) -> Option<String> {
    let manifest = path
        .ancestors()
        .skip(1)
        .find_map(|folder| std::fs::read_to_string(root.join(folder).join("Cargo.toml")).ok())?;
    let name = manifest.lines().find_map(|line| line.strip_prefix("name = \""))?;
    Some(name.trim_end_matches('"').to_owned())
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    let status = Command::new("cargo").current_dir(root).args(arguments).status()?;
    if status.success() { Ok(()) } else { Err(format!("cargo {}: {status}", arguments[0]).into()) }
}
