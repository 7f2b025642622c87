//! The modules of one crate, found by the paths of its files, and which of them use each other.

use crate::tidy::source::{Reference, RustFile, is_for_tests};
use std::collections::BTreeMap;

/// Names of modules from the root of the crate down; empty is the root itself.
pub(in crate::tidy) type ModulePath = Vec<String>;

/// Re-exports that lead to re-exports are followed so far.
const EXPORT_STEPS_MAX: usize = 8;

/// One module using another, both by their full paths.
pub(in crate::tidy) struct Edge {
    pub(in crate::tidy) from: ModulePath,
    pub(in crate::tidy) to: ModulePath,
    /// The file and line that shows it.
    pub(in crate::tidy) file: String,
    pub(in crate::tidy) line: usize,
    /// Compiled for tests only.
    pub(in crate::tidy) is_test: bool,
    /// `pub use` of a module's own child.
    pub(in crate::tidy) is_listing: bool,
    /// The method that is called, where a call shows the edge.
    pub(in crate::tidy) method: Option<String>,
}

/// A crate's modules.
pub(in crate::tidy) struct Modules<'a> {
    files: BTreeMap<ModulePath, &'a RustFile>,
    /// What each module that has children imports: its name there, and the full path.
    imports: BTreeMap<ModulePath, BTreeMap<String, Vec<String>>>,
}

impl<'a> Modules<'a> {
    /// `source` is the folder of the crate's root file, with a slash at its end.
    pub(in crate::tidy) fn new(source: &str, files: &'a [RustFile]) -> Modules<'a> {
        let inside =
            files.iter().filter_map(|file| Some((module_path(file.path.strip_prefix(source)?)?, file)));
        let mut modules = Modules { files: inside.collect(), imports: BTreeMap::new() };
        let mut imports = BTreeMap::new();
        for (path, file) in &modules.files {
            if modules.has_children(path) {
                let named = file.uses.iter().filter(|found| found.inside.is_empty());
                let named =
                    named.filter_map(|found| Some((found.name.clone()?, modules.absolute(path, found)?)));
                imports.insert(path.clone(), named.collect());
            }
        }
        modules.imports = imports;
        modules
    }

    /// Who uses whom; a module using itself is left out.
    pub(in crate::tidy) fn edges(&self) -> Vec<Edge> {
        let mut edges = Vec::new();
        for (from, file) in &self.files {
            let in_tests = self.is_test_module(from);
            for found in &file.uses {
                let Some(absolute) = self.absolute(from, found) else { continue };
                let to = self.resolve(&absolute, EXPORT_STEPS_MAX);
                let is_own_child = to.len() > from.len() && to.starts_with(from);
                if to != *from {
                    edges.push(Edge {
                        from: from.clone(),
                        to,
                        file: file.path.clone(),
                        line: found.line,
                        is_test: in_tests || found.is_test,
                        is_listing: is_own_child && found.is_export,
                        method: None,
                    });
                }
            }
        }
        edges
    }

    /// Each file with its module.
    pub(in crate::tidy) fn files(&self) -> impl Iterator<Item = (&ModulePath, &'a RustFile)> {
        self.files.iter().map(|(path, file)| (path, *file))
    }

    /// What a module imports from the crate: the name there, the module it leads to,
    /// and the name in that one.
    pub(in crate::tidy) fn named(&self, module: &[String]) -> BTreeMap<String, (ModulePath, String)> {
        let Some(file) = self.files.get(module) else { return BTreeMap::new() };
        let named = file.uses.iter().filter_map(|found| {
            let absolute = self.absolute(module, found)?;
            let original = absolute.last()?.clone();
            Some((found.name.clone()?, (self.resolve(&absolute, EXPORT_STEPS_MAX), original)))
        });
        named.collect()
    }

    fn has_children(&self, path: &[String]) -> bool {
        self.files.keys().any(|other| other.len() == path.len() + 1 && other.starts_with(path))
    }

    /// The path from the root of the crate; `None` for paths into other crates and for types.
    fn absolute(&self, module: &[String], found: &Reference) -> Option<Vec<String>> {
        let mut base = module.to_vec();
        base.extend(found.inside.iter().cloned());
        let mut rest = found.path.as_slice();
        match rest.first()?.as_str() {
            "crate" => base.clear(),
            "self" => {}
            "super" => {}
            child => {
                let mut path = module.to_vec();
                path.push(child.to_owned());
                return self.files.contains_key(&path).then(|| [module, rest].concat());
            }
        }
        if rest[0] != "super" {
            rest = &rest[1..];
        }
        while rest.first().is_some_and(|segment| segment == "super") {
            base.pop();
            rest = &rest[1..];
        }
        Some([base.as_slice(), rest].concat())
    }

    /// The module that an absolute path leads to, through re-exports.
    fn resolve(&self, absolute: &[String], steps: usize) -> ModulePath {
        let length = (0..=absolute.len()).rev().find(|length| self.files.contains_key(&absolute[..*length]));
        let (module, item) = absolute.split_at(length.unwrap_or(0));
        let imported = item.first().and_then(|name| self.imports.get(module)?.get(name));
        match imported {
            Some(path) if steps > 0 => self.resolve(&[path.as_slice(), &item[1..]].concat(), steps - 1),
            _ => module.to_vec(),
        }
    }

    /// Whether a module, or one around it, is declared behind `#[cfg(test)]`.
    pub(in crate::tidy) fn is_test_module(&self, path: &[String]) -> bool {
        (1..=path.len()).any(|length| {
            let parent = self.files.get(&path[..length - 1]);
            parent.is_some_and(|file| declares_for_tests(file, &path[length - 1]))
        })
    }
}

fn declares_for_tests(file: &RustFile, name: &str) -> bool {
    let is_it = |item: &syn::Item| match item {
        syn::Item::Mod(module) => module.ident == name && is_for_tests(&module.attrs),
        _ => false,
    };
    is_for_tests(&file.syntax.attrs) || file.syntax.items.iter().any(is_it)
}

/// `a/b.rs` and `a/b/mod.rs` as `a::b`; `None` for a file that is no module.
fn module_path(file: &str) -> Option<ModulePath> {
    let path = file.strip_suffix(".rs")?;
    let mut names: Vec<String> = path.split('/').map(str::to_owned).collect();
    let is_root = names.len() == 1 && matches!(names[0].as_str(), "lib" | "main");
    if is_root || names.last().is_some_and(|name| name == "mod") {
        names.pop();
    }
    Some(names)
}
