//! What a step is made of, as one number: what a change does not reach has the number under which it passed
//! last.

use super::steps::{Step, Work};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What every step is made of, besides.
const COMMON: [&str; 5] = ["Cargo.toml", "Cargo.lock", ".cargo", ".ci", "xtask"];

/// This package.
const OWN: &str = "xtask";

/// What ships, and the scripts that run clients against it.
const SHIPS: &str = "millrace";
const CLIENTS: &str = "clients";

#[derive(Debug, Default)]
struct Package {
    folder: PathBuf,
    /// Packages of the workspace that it is built from, and those that its tests take besides.
    needs: Vec<String>,
    tests_need: Vec<String>,
}

/// The tree as it is.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    packages: BTreeMap<String, Package>,
    /// The package of each program.
    programs: BTreeMap<String, String>,
    /// Contents by path.
    files: Vec<(PathBuf, u64)>,
}

impl Inputs {
    #[expect(clippy::disallowed_methods, reason = "a development command reads the tree")]
    pub(super) fn read(root: &Path) -> Result<Inputs, Box<dyn Error>> {
        let metadata = output(root, "cargo", &["metadata", "--no-deps", "--format-version", "1"])?;
        let mut inputs = Inputs::of_metadata(root, &serde_json::from_slice(&metadata)?);
        let listing = output(root, "git", &["ls-files", "-z", "--cached", "--others", "--exclude-standard"])?;
        for path in String::from_utf8(listing)?.split('\0') {
            // What is deleted is listed until it is staged.
            if let Ok(content) = std::fs::read(root.join(path)) {
                inputs.files.push((PathBuf::from(path), content_number(&content)));
            }
        }
        inputs.files.sort();
        Ok(inputs)
    }

    fn of_metadata(root: &Path, metadata: &Value) -> Inputs {
        let mut inputs = Inputs::default();
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        for package in list(&metadata["packages"]) {
            let name = text(&package["name"]);
            let manifest = PathBuf::from(text(&package["manifest_path"]));
            let folder = manifest.parent().and_then(|folder| folder.strip_prefix(root).ok());
            let mut found = Package { folder: folder.unwrap_or(root).to_owned(), ..Package::default() };
            for dependency in list(&package["dependencies"]) {
                if dependency["path"].is_string() {
                    let of_tests = dependency["kind"] == "dev";
                    let needs = if of_tests { &mut found.tests_need } else { &mut found.needs };
                    needs.push(text(&dependency["name"]));
                }
            }
            let is_program = |target: &Value| list(&target["kind"]).iter().any(|kind| kind == "bin");
            for target in list(&package["targets"]).iter().filter(|target| is_program(target)) {
                inputs.programs.insert(text(&target["name"]), name.clone());
            }
            inputs.packages.insert(name, found);
        }
        inputs
    }

    pub(super) fn packages(&self) -> impl Iterator<Item = &str> {
        self.packages.keys().map(String::as_str)
    }

    /// What a step is made of, with the arguments that it is given; nothing of one that always runs: cargo
    /// knows by itself what to build anew, and the rules of the house look at everything.
    pub(super) fn of_step(&self, step: &Step, arguments: &str) -> Option<u64> {
        let name = |path: &str| Path::new(path).file_name().map(|name| name.to_string_lossy().into_owned());
        let ships = Some(SHIPS.to_owned());
        let (programs, folders): (Vec<Option<String>>, &[&str]) = match &step.work {
            Work::Cargo(_) | Work::Tidy => return None,
            Work::Script(..) => (vec![ships], &[CLIENTS]),
            Work::Beside { program, .. } => {
                (vec![ships, program.and_then(|(path, _)| name(path))], &[CLIENTS])
            }
            Work::Built(path, given) => {
                // What runs in the simulated world starts no broker of its own.
                let starts_broker = given.iter().any(|word| word.contains("{broker}"));
                (vec![name(path), ships.filter(|_| starts_broker)], &[])
            }
        };
        let packages = programs.into_iter().flatten();
        let packages: Vec<String> =
            packages.filter_map(|program| self.programs.get(&program).cloned()).collect();
        Some(self.number(&packages, folders, arguments))
    }

    /// What the tests of a package are made of.
    pub(super) fn of_tests(&self, package: &str) -> u64 {
        let mut packages = vec![package.to_owned()];
        packages.extend(self.packages.get(package).into_iter().flat_map(|found| found.tests_need.clone()));
        // Tests hold documents to what the program says; those of this one look at everything.
        let folders: &[&str] = if package == OWN { &[""] } else { &["docs", "README.md"] };
        self.number(&packages, folders, "")
    }

    fn number(&self, packages: &[String], folders: &[&str], arguments: &str) -> u64 {
        let mut reached = BTreeSet::new();
        let mut left = packages.to_vec();
        while let Some(name) = left.pop() {
            if let Some(package) = self.packages.get(&name)
                && reached.insert(package.folder.clone())
            {
                left.extend(package.needs.iter().cloned());
            }
        }
        reached.extend(COMMON.iter().chain(folders).map(PathBuf::from));
        let mut hasher = DefaultHasher::new();
        arguments.hash(&mut hasher);
        let is_reached = |path: &Path| reached.iter().any(|folder| path.starts_with(folder));
        self.files.iter().filter(|(path, _)| is_reached(path)).for_each(|file| file.hash(&mut hasher));
        hasher.finish()
    }
}

fn content_number(content: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    hasher.finish()
}

fn output(root: &Path, program: &str, arguments: &[&str]) -> Result<Vec<u8>, Box<dyn Error>> {
    let done = Command::new(program).current_dir(root).args(arguments).output()?;
    match done.status.success() {
        true => Ok(done.stdout),
        false => {
            Err(format!("{program} {}: {}", arguments.join(" "), String::from_utf8_lossy(&done.stderr))
                .into())
        }
    }
}

/// The numbers under which steps passed in this clone.
pub(super) struct Passed {
    file: PathBuf,
    numbers: BTreeMap<String, u64>,
}

impl Passed {
    #[expect(clippy::disallowed_methods, reason = "a development command keeps a file of its own")]
    pub(super) fn read(folder: &Path) -> Passed {
        let file = folder.join("passed.json");
        let text = std::fs::read(&file).unwrap_or_default();
        Passed { file, numbers: serde_json::from_slice(&text).unwrap_or_default() }
    }

    pub(super) fn has(&self, name: &str, number: u64) -> bool {
        self.numbers.get(name) == Some(&number)
    }

    pub(super) fn note(&mut self, name: &str, number: u64) {
        self.numbers.insert(name.to_owned(), number);
    }

    #[expect(clippy::disallowed_methods, reason = "a development command keeps a file of its own")]
    pub(super) fn write(&self) -> Result<(), Box<dyn Error>> {
        Ok(std::fs::write(&self.file, serde_json::to_vec_pretty(&self.numbers)?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ci::steps::Takes;
    use serde_json::json;

    /// `core`, on which `shop` is built, which ships; `lab` tests `shop`, and has a program of its own.
    fn inputs(changed: &[&str]) -> Inputs {
        let package = |name: &str, needs: &[&str], tests_need: &[&str], program: &str| {
            let dependency =
                |kind: Value| move |name: &&str| json!({"name": name, "path": "/x", "kind": kind});
            let dependencies: Vec<Value> = needs
                .iter()
                .map(dependency(Value::Null))
                .chain(tests_need.iter().map(dependency(json!("dev"))))
                .collect();
            json!({
                "name": name, "manifest_path": format!("/root/{name}/Cargo.toml"),
                "dependencies": dependencies,
                "targets": [{"kind": ["lib"], "name": name}, {"kind": ["bin"], "name": program}],
            })
        };
        let packages = [
            package("core", &[], &[], "core-tool"),
            package("shop", &["core"], &[], SHIPS),
            package("lab", &["core"], &["shop"], "lab-tool"),
        ];
        let mut inputs = Inputs::of_metadata(Path::new("/root"), &json!({"packages": packages}));
        for path in [
            "Cargo.lock",
            "clients/run",
            "core/src/lib.rs",
            "docs/cli.md",
            "lab/src/lib.rs",
            "shop/src/main.rs",
        ] {
            inputs.files.push((PathBuf::from(path), u64::from(changed.contains(&path))));
        }
        inputs
    }

    const fn step(work: Work) -> Step {
        Step { name: "step", needs: &[], takes: Takes::Moments, work }
    }

    #[test]
    fn a_change_reaches_what_is_built_from_it() {
        let steps = [
            ("simulated", step(Work::Built("debug/lab-tool", &["--sweep"]))),
            ("loaded", step(Work::Built("debug/lab-tool", &["--millrace", "{broker}"]))),
            ("client", step(Work::Script("clients/run", &[]))),
            ("parity", step(Work::Beside { broker: &[], program: Some(("debug/lab-tool", &[])) })),
        ];
        for (changed, expected) in [
            ("lab/src/lib.rs", "simulated loaded parity tests-of-lab"),
            ("shop/src/main.rs", "loaded client parity tests-of-lab tests-of-shop"),
            ("core/src/lib.rs", "simulated loaded client parity tests-of-core tests-of-lab tests-of-shop"),
            ("clients/run", "client parity"),
            ("docs/cli.md", "tests-of-core tests-of-lab tests-of-shop"),
            ("Cargo.lock", "simulated loaded client parity tests-of-core tests-of-lab tests-of-shop"),
        ] {
            let (before, after) = (inputs(&[]), inputs(&[changed]));
            let mut reached: Vec<String> = Vec::new();
            for (name, step) in &steps {
                if before.of_step(step, "") != after.of_step(step, "") {
                    reached.push((*name).to_owned());
                }
            }
            let tests =
                before.packages().filter(|package| before.of_tests(package) != after.of_tests(package));
            reached.extend(tests.map(|package| format!("tests-of-{package}")));
            assert_eq!(reached.join(" "), expected, "{changed}");
        }
    }

    #[test]
    fn what_is_asked_for_counts_and_cargo_always_runs() {
        let inputs = inputs(&[]);
        let sweep = step(Work::Built("debug/lab-tool", &["--sweep"]));
        assert_ne!(inputs.of_step(&sweep, "80"), inputs.of_step(&sweep, "1"));
        assert_eq!(inputs.of_step(&step(Work::Cargo(&["clippy"])), ""), None);
    }
}
