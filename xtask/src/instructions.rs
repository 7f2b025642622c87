//! Counts the instructions of the append, fetch and codec paths under callgrind and holds them to a baseline.

use crate::codegen::root;
use crate::table::{self, Column};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The counts that a change is held to.
const BASELINE: &str = "benches/instructions.txt";
const PROGRAM: &str = "release/millrace-paths";
/// glibc's copies, by whatever name the processor chooses: the simulated disk makes most of them,
/// and would drown the rest.
const NOT_COUNTED: [&str; 3] = ["__memcpy_*", "__memmove_*", "__memset_*"];
/// A path runs so often in each of two runs: what lies between them is the path's own,
/// without start and preparation.
const ROUNDS: [u32; 2] = [32, 160];
/// More than this above its baseline fails a path: counts of one compiler differ by less between machines.
const TOLERANCE_PERCENT: u64 = 5;
/// The same where another compiler made the baseline: it inlines otherwise.
const OTHER_COMPILER_PERCENT: u64 = 25;
/// A path of few instructions may take so many more: a register that spills is no regression.
const TOLERANCE_LEAST: u64 = 20;

/// A path's name, its counts before and now, and what is to be said of it.
const COLUMNS: [Column; 4] =
    [Column::left(34, 1), Column::right(9, 1), Column::right(9, 2), Column::left(0, 0)];

/// Instructions of one round by the path's name.
type Counts = BTreeMap<String, u64>;

/// What is committed.
struct Baseline {
    /// The compiler and the processors it compiled for.
    compiler: String,
    counts: Counts,
}

/// What becomes of the counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// They are compared with the baseline.
    Check,
    /// They are the baseline from now on.
    Bless,
}

/// Builds the paths, counts each, and compares with the baseline or writes it.
pub(crate) fn run(purpose: Purpose) -> Result<String, Box<dyn Error>> {
    let program = build()?;
    let names = output(&mut Command::new(&program))?;
    let mut counts = Counts::new();
    for name in names.lines() {
        counts.insert(name.to_owned(), count(&program, name)?);
    }
    let now = Baseline { compiler: compiler()?, counts };
    match purpose {
        Purpose::Check => compare(&read(&root().join(BASELINE))?, &now),
        Purpose::Bless => write(&root().join(BASELINE), &now),
    }
}

fn compiler() -> Result<String, Box<dyn Error>> {
    let version = output(Command::new("rustc").arg("--version"))?;
    Ok(format!("{} on {}", version.trim(), std::env::consts::ARCH))
}

fn build() -> Result<PathBuf, Box<dyn Error>> {
    let arguments = ["build", "--release", "--package", "millrace-benches", "--bin", "millrace-paths"];
    let status = Command::new("cargo").current_dir(root()).args(arguments).status()?;
    if !status.success() {
        return Err(format!("the paths do not build: {status}").into());
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root().join("target"), PathBuf::from);
    Ok(target.join(PROGRAM))
}

/// Instructions of one round: two runs at once, one for each processor of a small machine.
fn count(program: &Path, name: &str) -> Result<u64, Box<dyn Error>> {
    let [few, many] = ROUNDS;
    let (short, long) = (start(program, name, few)?, start(program, name, many)?);
    let (short, long) = (collected(short, name)?, collected(long, name)?);
    Ok(long.saturating_sub(short) / u64::from(many - few))
}

fn start(program: &Path, name: &str, rounds: u32) -> Result<Child, Box<dyn Error>> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    command
        .args(NOT_COUNTED.map(|function| format!("--toggle-collect={function}")))
        .arg("--collect-atstart=yes");
    command.arg(program);
    // The environment lies on the stack; without it every machine's begins at the same place.
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.args([name, &rounds.to_string()]).stdin(Stdio::null()).stdout(Stdio::null());
    let child = command.stderr(Stdio::piped()).spawn();
    child.map_err(|error| format!("valgrind (Debian package valgrind): {error}").into())
}

fn collected(child: Child, name: &str) -> Result<u64, Box<dyn Error>> {
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{name} under valgrind: {}\n{said}", output.status).into());
    }
    parse_collected(&said).ok_or_else(|| format!("callgrind told no count of {name}:\n{said}").into())
}

/// The number behind `Collected :`.
fn parse_collected(said: &str) -> Option<u64> {
    let line = said.lines().find_map(|line| line.split_once("Collected :"))?;
    line.1.trim().parse().ok()
}

fn output(command: &mut Command) -> Result<String, Box<dyn Error>> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    Ok(String::from_utf8(output.stdout)?)
}

/// The compiler stands in the first line, then a line for each path: its name and its count.
fn parse(text: &str) -> Result<Baseline, Box<dyn Error>> {
    let mut lines = text.lines();
    let compiler = lines.next().and_then(|line| line.strip_prefix("# "));
    let compiler = compiler.ok_or_else(|| format!("{BASELINE} begins with no compiler"))?.to_owned();
    let paths = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let counts = paths.map(|line| {
        let (name, count) = line.split_once(' ').ok_or_else(|| format!("{BASELINE}: {line}"))?;
        Ok::<_, Box<dyn Error>>((name.to_owned(), count.trim().parse()?))
    });
    Ok(Baseline { compiler, counts: counts.collect::<Result<_, _>>()? })
}

#[expect(clippy::disallowed_methods, reason = "a development command works on the source tree itself")]
fn read(path: &Path) -> Result<Baseline, Box<dyn Error>> {
    parse(&std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?)
}

#[expect(clippy::disallowed_methods, reason = "a development command works on the source tree itself")]
fn write(path: &Path, now: &Baseline) -> Result<String, Box<dyn Error>> {
    let mut text = format!("# {}\n", now.compiler);
    text.push_str("# Instructions of one round of each path, by `cargo xtask instructions --bless`.\n");
    for (name, count) in &now.counts {
        writeln!(text, "{name} {count}")?;
    }
    std::fs::write(path, text)?;
    Ok(format!("{} paths in {BASELINE}", now.counts.len()))
}

/// A table of all paths; an error if one is missing or takes too many more than it did.
fn compare(baseline: &Baseline, now: &Baseline) -> Result<String, Box<dyn Error>> {
    let mut head = String::new();
    let mut percent = TOLERANCE_PERCENT;
    if baseline.compiler != now.compiler {
        percent = OTHER_COMPILER_PERCENT;
        writeln!(head, "{BASELINE} was made by {}, this is {}", baseline.compiler, now.compiler)?;
    }
    let mut failed = 0;
    let mut rows = Vec::new();
    let names: BTreeSet<&String> = baseline.counts.keys().chain(now.counts.keys()).collect();
    for name in names {
        let (before, after) = (baseline.counts.get(name), now.counts.get(name));
        let verdict = verdict(before.copied(), after.copied(), percent);
        failed += usize::from(verdict != "ok");
        let shown = |count: Option<&u64>| count.map_or("-".to_owned(), u64::to_string);
        rows.push(vec![name.clone(), shown(before), shown(after), verdict.to_owned()]);
    }
    let table = head + &table::lines(&COLUMNS, rows);
    if failed == 0 {
        let paths = now.counts.len();
        return Ok(format!("{table}instructions: {paths} paths at most {percent} % above their baseline"));
    }
    Err(format!(
        "{table}instructions: {failed} paths are not what {BASELINE} says, and {percent} % above it is \
         allowed; what is meant is blessed by `cargo xtask instructions --bless`"
    )
    .into())
}

fn verdict(baseline: Option<u64>, now: Option<u64>, percent: u64) -> &'static str {
    match (baseline, now) {
        (Some(before), Some(now)) if now > before + (before * percent / 100).max(TOLERANCE_LEAST) => {
            "TOO MANY"
        }
        (Some(_), Some(_)) => "ok",
        (Some(_), None) => "GONE",
        (None, _) => "NEW",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_fails_that_takes_more_than_it_may() {
        let baseline = parse("# rustc 1\n# a comment\na 1000\nb 100\n").unwrap();
        for (now, fails) in [
            ("# rustc 1\na 1050\nb 120\n", false),
            ("# rustc 1\na 1051\nb 100\n", true),
            ("# rustc 1\na 1000\nb 121\n", true),
            ("# rustc 1\na 10\nb 1\n", false),
            ("# rustc 1\na 1000\n", true),
            ("# rustc 1\na 1000\nb 100\nc 5\n", true),
            ("# rustc 2\na 1250\nb 125\n", false),
            ("# rustc 2\na 1251\nb 100\n", true),
        ] {
            assert_eq!(compare(&baseline, &parse(now).unwrap()).is_err(), fails, "{now}");
        }
        assert!(parse("a 1000\n").is_err(), "a baseline says who compiled it");
    }

    #[test]
    fn callgrind_tells_its_count_among_other_things() {
        let said = "==7== Events    : Ir\n==7== Collected : 1234567\n==7==\n";
        assert_eq!(parse_collected(said), Some(1_234_567));
        assert_eq!(parse_collected("==7== killed"), None);
    }

    #[test]
    fn the_baseline_names_what_is_counted() {
        let Baseline { counts, .. } = read(&root().join(BASELINE)).unwrap();
        assert!(counts.keys().any(|name| name.starts_with("append/")));
        assert!(counts.keys().any(|name| name.starts_with("fetch/")));
        assert!(counts.keys().any(|name| name.starts_with("codec/")));
    }
}
