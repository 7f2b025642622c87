//! One name that others may use has one meaning in its crate.

use super::declared::sources;
use super::key::place;
use crate::tidy::finding::Finding;
use crate::tidy::layers::Modules;
use crate::tidy::source::is_generated;
use std::collections::BTreeMap;

/// A definition of a type or trait.
struct Definition {
    file: String,
    line: usize,
    is_public: bool,
}

/// Tests and generated code are left out.
pub(super) fn check(modules: &Modules<'_>, source: &str, findings: &mut Vec<Finding>) {
    let mut names: BTreeMap<String, Vec<Definition>> = BTreeMap::new();
    for file in sources(modules).into_iter().filter(|file| !is_generated(file.file)) {
        for (ident, visibility) in file.items.iter().filter_map(|item| defined(item)) {
            let definition = Definition {
                file: file.file.to_owned(),
                line: ident.span().start().line,
                is_public: is_public(visibility),
            };
            names.entry(ident.to_string()).or_default().push(definition);
        }
    }
    for (name, definitions) in names {
        let [first, rest @ ..] = definitions.as_slice() else { continue };
        let is_public = definitions.iter().any(|definition| definition.is_public);
        for other in rest.iter().filter(|_| is_public) {
            let text = format!(
                "`{name}` is also what {}:{} defines; name one of them otherwise",
                first.file, first.line
            );
            let finding = Finding::new(&other.file, other.line, "one-meaning", text);
            findings.push(finding.owed_by(place(source, &name), 1));
        }
    }
}

fn defined(item: &syn::Item) -> Option<(&syn::Ident, &syn::Visibility)> {
    match item {
        syn::Item::Struct(item) => Some((&item.ident, &item.vis)),
        syn::Item::Enum(item) => Some((&item.ident, &item.vis)),
        syn::Item::Union(item) => Some((&item.ident, &item.vis)),
        syn::Item::Trait(item) => Some((&item.ident, &item.vis)),
        syn::Item::Type(item) => Some((&item.ident, &item.vis)),
        _ => None,
    }
}

/// Visible in the whole crate at least.
fn is_public(visibility: &syn::Visibility) -> bool {
    match visibility {
        syn::Visibility::Public(_) => true,
        syn::Visibility::Restricted(within) => within.path.is_ident("crate"),
        syn::Visibility::Inherited => false,
    }
}
