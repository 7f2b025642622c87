//! The names that a pattern binds, and what is known of each.

use super::resolve::Known;
use std::collections::BTreeMap;
use syn::visit::Visit;

/// What is known of the variables of one scope.
pub(super) type Scope = BTreeMap<String, Known>;

/// Binds the names of `pattern` for a value of which `known` is known. What lies inside a tuple or a variant
/// is not known, but for the variants of `Option` and `Result`.
pub(super) fn bind(pattern: &syn::Pat, known: Known, scope: &mut Scope) {
    match pattern {
        syn::Pat::Ident(ident) => {
            scope.insert(ident.ident.to_string(), known);
        }
        syn::Pat::Reference(inner) => bind(&inner.pat, known, scope),
        syn::Pat::Paren(inner) => bind(&inner.pat, known, scope),
        syn::Pat::Type(inner) => bind(&inner.pat, known, scope),
        syn::Pat::TupleStruct(tuple) if is_passing(&tuple.path) && tuple.elems.len() == 1 => {
            bind(&tuple.elems[0], known, scope);
        }
        other => Bound { scope }.visit_pat(other),
    }
}

fn is_passing(path: &syn::Path) -> bool {
    path.get_ident().is_some_and(|ident| ident == "Some" || ident == "Ok")
}

struct Bound<'s> {
    scope: &'s mut Scope,
}

impl<'ast> Visit<'ast> for Bound<'_> {
    fn visit_pat_ident(&mut self, pattern: &'ast syn::PatIdent) {
        self.scope.insert(pattern.ident.to_string(), Known::Nothing);
        syn::visit::visit_pat_ident(self, pattern);
    }
}
