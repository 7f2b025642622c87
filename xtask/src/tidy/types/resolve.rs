//! Which type of the crate a written type means, seen from a module.

use super::key::TypeKey;
use super::std_names::{is_collection, is_wrapper};
use crate::tidy::layers::{ModulePath, Modules};
use std::collections::{BTreeMap, BTreeSet};

/// Aliases that lead to aliases are followed so far.
const ALIAS_STEPS_MAX: usize = 8;

/// What is known of the type of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Known {
    /// A type of this crate, perhaps inside wrappers of the standard library.
    Own(TypeKey),
    /// Many values of such a type, as in a list.
    Many(TypeKey),
    /// A type of another crate.
    Foreign,
    Nothing,
}

impl Known {
    /// A collection of such values.
    fn many(self) -> Known {
        match self {
            Known::Own(key) => Known::Many(key),
            other => other,
        }
    }

    /// One value of many.
    pub(super) fn each(self) -> Known {
        match self {
            Known::Many(key) => Known::Own(key),
            Known::Own(_) | Known::Foreign | Known::Nothing => Known::Nothing,
        }
    }
}

/// The names that each module gives to types.
pub(super) struct Names<'a> {
    /// What a module imports: the name there, the module that declares it and its name in that one.
    imports: BTreeMap<ModulePath, BTreeMap<String, TypeKey>>,
    aliases: BTreeMap<TypeKey, &'a syn::Type>,
    declared: BTreeSet<TypeKey>,
    /// Types and aliases by the last name of their module and their own.
    by_parent: BTreeMap<(String, String), TypeKey>,
}

impl<'a> Names<'a> {
    pub(super) fn new(modules: &Modules<'a>) -> Names<'a> {
        let imports = modules.files().map(|(module, _)| {
            let named = modules.named(module).into_iter();
            let keys = named.map(|(name, (module, original))| (name, TypeKey { module, name: original }));
            (module.clone(), keys.collect())
        });
        Names {
            imports: imports.collect(),
            aliases: BTreeMap::new(),
            declared: BTreeSet::new(),
            by_parent: BTreeMap::new(),
        }
    }

    pub(super) fn alias(&mut self, module: &ModulePath, name: String, of: &'a syn::Type) {
        self.aliases.insert(TypeKey { module: module.clone(), name }, of);
    }

    /// All types are declared: from now on names can be looked up.
    pub(super) fn close<'k>(&mut self, declared: impl Iterator<Item = &'k TypeKey>) {
        self.declared = declared.cloned().collect();
        for key in self.declared.iter().chain(self.aliases.keys()) {
            if let Some(parent) = key.module.last() {
                let names = (parent.clone(), key.name.clone());
                self.by_parent.entry(names).or_insert_with(|| key.clone());
            }
        }
    }

    /// The type of the crate that `written` names, if any.
    pub(super) fn key(
        &self,
        module: &ModulePath,
        written: &syn::Type,
        own: Option<&TypeKey>,
    ) -> Option<TypeKey> {
        match self.known(module, written, own) {
            Known::Own(key) => Some(key),
            Known::Many(_) | Known::Foreign | Known::Nothing => None,
        }
    }

    /// What `written` means in `module`; `own` is what `Self` stands for.
    pub(super) fn known(&self, module: &ModulePath, written: &syn::Type, own: Option<&TypeKey>) -> Known {
        self.steps(module, written, own, ALIAS_STEPS_MAX)
    }

    fn steps(&self, module: &ModulePath, written: &syn::Type, own: Option<&TypeKey>, steps: usize) -> Known {
        match written {
            syn::Type::Reference(inner) => self.steps(module, &inner.elem, own, steps),
            syn::Type::Paren(inner) => self.steps(module, &inner.elem, own, steps),
            syn::Type::Group(inner) => self.steps(module, &inner.elem, own, steps),
            syn::Type::Slice(inner) => self.steps(module, &inner.elem, own, steps).many(),
            syn::Type::Array(inner) => self.steps(module, &inner.elem, own, steps).many(),
            syn::Type::Path(path) => self.path(module, &segments(&path.path), own, steps),
            syn::Type::ImplTrait(_)
            | syn::Type::TraitObject(_)
            | syn::Type::Infer(_)
            | syn::Type::Macro(_) => Known::Nothing,
            _ => Known::Foreign,
        }
    }

    /// The type that the first names of a path mean, up to `Core` of `Core::open`.
    pub(super) fn owner(
        &self,
        module: &ModulePath,
        path: &syn::Path,
        own: Option<&TypeKey>,
    ) -> Option<TypeKey> {
        let mut path = segments(path);
        path.pop();
        match self.path(module, &path, own, ALIAS_STEPS_MAX) {
            Known::Own(key) => Some(key),
            Known::Many(_) | Known::Foreign | Known::Nothing => None,
        }
    }

    fn path(&self, module: &ModulePath, path: &Segments<'_>, own: Option<&TypeKey>, steps: usize) -> Known {
        let Some(last) = path.last() else { return Known::Nothing };
        let name = last.ident.to_string();
        if name == "Self" && path.len() == 1 {
            return own.map_or(Known::Nothing, |key| Known::Own(key.clone()));
        }
        let key = self.named(module, path);
        if let Some(alias) = key.as_ref().and_then(|key| self.aliases.get(key)) {
            let module = key.as_ref().map_or(module, |key| &key.module);
            return if steps > 0 { self.steps(module, alias, own, steps - 1) } else { Known::Nothing };
        }
        if let Some(key) = key.filter(|key| self.declared.contains(key)) {
            return Known::Own(key);
        }
        if let (true, Some(inner)) = (is_wrapper(&name), arguments(last).next()) {
            return self.steps(module, inner, own, steps);
        }
        if let (true, Some(inner)) = (is_collection(&name), arguments(last).last()) {
            return self.steps(module, inner, own, steps).many();
        }
        if name.len() == 1 { Known::Nothing } else { Known::Foreign }
    }

    /// The last two names of a path that begins in another module tell enough: `partition::Partition`.
    pub(super) fn named(&self, module: &ModulePath, path: &Segments<'_>) -> Option<TypeKey> {
        let name = path.last()?.ident.to_string();
        if path.len() == 1 {
            let key = TypeKey { module: module.clone(), name: name.clone() };
            let here = self.declared.contains(&key) || self.aliases.contains_key(&key);
            return if here { Some(key) } else { self.imports.get(module)?.get(&name).cloned() };
        }
        let parent = path.iter().rev().nth(1)?.ident.to_string();
        self.by_parent.get(&(parent, name)).cloned()
    }
}

type Segments<'p> = [&'p syn::PathSegment];

pub(super) fn segments(path: &syn::Path) -> Vec<&syn::PathSegment> {
    path.segments.iter().collect()
}

/// The types between the angle brackets of a name.
fn arguments(segment: &syn::PathSegment) -> impl DoubleEndedIterator<Item = &syn::Type> {
    let arguments = match &segment.arguments {
        syn::PathArguments::AngleBracketed(arguments) => Some(&arguments.args),
        _ => None,
    };
    arguments.into_iter().flatten().filter_map(|argument| match argument {
        syn::GenericArgument::Type(inner) => Some(inner),
        _ => None,
    })
}
