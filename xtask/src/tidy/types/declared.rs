//! Which types a crate declares, and the places of their `impl` blocks and methods.

use super::key::TypeKey;
use super::resolve::{Known, Names};
use super::std_names::is_of_std;
use crate::tidy::layers::{ModulePath, Modules};
use crate::tidy::source::{attributes, is_for_tests};
use std::collections::{BTreeMap, BTreeSet};

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::tidy) struct Place {
    pub(in crate::tidy) module: ModulePath,
    pub(in crate::tidy) file: String,
    pub(in crate::tidy) line: usize,
}

/// What a type is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::tidy) enum Kind {
    Struct,
    Other,
}

/// A function of an `impl` block.
pub(in crate::tidy) struct Method<'a> {
    pub(in crate::tidy) place: Place,
    /// Callable from other modules than its own.
    pub(in crate::tidy) is_visible: bool,
    pub(super) output: Option<&'a syn::Type>,
}

/// A type that the crate declares, with all that is known of it.
pub(in crate::tidy) struct Declared<'a> {
    pub(in crate::tidy) kind: Kind,
    pub(in crate::tidy) place: Place,
    pub(in crate::tidy) field_count: usize,
    pub(super) fields: BTreeMap<String, &'a syn::Type>,
    pub(in crate::tidy) methods: BTreeMap<String, Method<'a>>,
    /// Files with inherent `impl` blocks.
    pub(in crate::tidy) impl_files: BTreeSet<String>,
    /// Files with implementations of traits that are not of the standard library, and the traits.
    pub(in crate::tidy) trait_files: BTreeSet<(String, String)>,
}

impl Declared<'_> {
    /// Its methods stand in several files.
    pub(in crate::tidy) fn is_shared(&self) -> bool {
        self.impl_files.len() > 1
    }
}

/// The types of a crate.
pub(in crate::tidy) struct Types<'a> {
    pub(in crate::tidy) all: BTreeMap<TypeKey, Declared<'a>>,
    pub(super) names: Names<'a>,
    /// Who has a method of a name.
    pub(super) owners: BTreeMap<String, Vec<TypeKey>>,
}

impl<'a> Types<'a> {
    /// Tests are left out.
    pub(in crate::tidy) fn new(modules: &Modules<'a>) -> Types<'a> {
        let mut types = Types { all: BTreeMap::new(), names: Names::new(modules), owners: BTreeMap::new() };
        for source in sources(modules) {
            source.items.iter().for_each(|item| types.declare(&source, item));
        }
        types.names.close(types.all.keys());
        for source in sources(modules) {
            source.items.iter().for_each(|item| types.implement(&source, item));
        }
        for (key, declared) in &types.all {
            for name in declared.methods.keys() {
                types.owners.entry(name.clone()).or_default().push(key.clone());
            }
        }
        types
    }

    /// What is known of a field.
    pub(super) fn field(&self, key: &TypeKey, member: &syn::Member) -> Known {
        let name = match member {
            syn::Member::Named(name) => name.to_string(),
            syn::Member::Unnamed(index) => index.index.to_string(),
        };
        let written = self.all.get(key).and_then(|declared| declared.fields.get(&name));
        written.map_or(Known::Nothing, |written| self.names.known(&key.module, written, Some(key)))
    }

    fn declare(&mut self, source: &Source<'a>, item: &'a syn::Item) {
        let (ident, kind, fields) = match item {
            syn::Item::Struct(item) => (&item.ident, Kind::Struct, Some(&item.fields)),
            syn::Item::Enum(item) => (&item.ident, Kind::Other, None),
            syn::Item::Union(item) => (&item.ident, Kind::Other, None),
            syn::Item::Type(item) => {
                return self.names.alias(&source.module, item.ident.to_string(), &item.ty);
            }
            _ => return,
        };
        let named = fields.iter().flat_map(|fields| fields.iter().enumerate());
        let named = named.map(|(index, field)| {
            (field.ident.as_ref().map_or(index.to_string(), ToString::to_string), &field.ty)
        });
        let key = TypeKey { module: source.module.clone(), name: ident.to_string() };
        let declared = Declared {
            kind,
            place: source.place(ident.span()),
            field_count: fields.map_or(0, syn::Fields::len),
            fields: named.collect(),
            methods: BTreeMap::new(),
            impl_files: BTreeSet::new(),
            trait_files: BTreeSet::new(),
        };
        self.all.insert(key, declared);
    }

    fn implement(&mut self, source: &Source<'a>, item: &'a syn::Item) {
        let syn::Item::Impl(item) = item else { return };
        let key = self.names.key(&source.module, &item.self_ty, None);
        let Some(declared) = key.and_then(|key| self.all.get_mut(&key)) else { return };
        if let Some((_, of, _)) = &item.trait_ {
            let name = of.segments.last().map_or(String::new(), |segment| segment.ident.to_string());
            if !is_of_std(&name) {
                declared.trait_files.insert((source.file.to_owned(), name));
            }
            return;
        }
        declared.impl_files.insert(source.file.to_owned());
        for inner in &item.items {
            let syn::ImplItem::Fn(function) = inner else { continue };
            if is_for_tests(&function.attrs) {
                continue;
            }
            let output = match &function.sig.output {
                syn::ReturnType::Default => None,
                syn::ReturnType::Type(_, output) => Some(&**output),
            };
            let method = Method {
                place: source.place(function.sig.ident.span()),
                is_visible: !matches!(function.vis, syn::Visibility::Inherited),
                output,
            };
            declared.methods.insert(function.sig.ident.to_string(), method);
        }
    }
}

/// A file of the crate with its items that are no tests; those of inline modules count as its own.
pub(super) struct Source<'a> {
    pub(super) module: ModulePath,
    pub(super) file: &'a str,
    pub(super) items: Vec<&'a syn::Item>,
}

impl Source<'_> {
    fn place(&self, span: proc_macro2::Span) -> Place {
        Place { module: self.module.clone(), file: self.file.to_owned(), line: span.start().line }
    }
}

pub(super) fn sources<'a>(modules: &Modules<'a>) -> Vec<Source<'a>> {
    let written = modules.files().filter(|(module, _)| !modules.is_test_module(module));
    let found = written.map(|(module, file)| {
        let mut items = Vec::new();
        gather(&file.syntax.items, &mut items);
        Source { module: module.clone(), file: &file.path, items }
    });
    found.collect()
}

fn gather<'a>(from: &'a [syn::Item], items: &mut Vec<&'a syn::Item>) {
    for item in from.iter().filter(|item| !is_for_tests(attributes(item))) {
        match item {
            syn::Item::Mod(module) => gather(module.content.as_ref().map_or(&[], |(_, inner)| inner), items),
            item => items.push(item),
        }
    }
}
