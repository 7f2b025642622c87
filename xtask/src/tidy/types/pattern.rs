//! The names that a pattern binds, and what is known of each.

use super::declared::Types;
use super::resolve::Known;
use std::collections::BTreeMap;
use syn::visit::Visit;

/// What is known of the variables of one scope.
pub(super) type Scope = BTreeMap<String, Known>;

/// Binds the names of `pattern` for a value of which `known` is known. What lies inside a tuple or a variant
/// is not known, but for the variants of `Option` and `Result`, and the fields of structs.
pub(super) fn bind(pattern: &syn::Pat, known: Known, types: &Types<'_>, scope: &mut Scope) {
    match (pattern, known) {
        (syn::Pat::Ident(ident), known) => {
            scope.insert(ident.ident.to_string(), known);
        }
        (syn::Pat::Reference(inner), known) => bind(&inner.pat, known, types, scope),
        (syn::Pat::Paren(inner), known) => bind(&inner.pat, known, types, scope),
        (syn::Pat::Type(inner), known) => bind(&inner.pat, known, types, scope),
        (syn::Pat::TupleStruct(tuple), known) if is_passing(&tuple.path) && tuple.elems.len() == 1 => {
            bind(&tuple.elems[0], known, types, scope);
        }
        (syn::Pat::Struct(fields), Known::Own(key)) => {
            for field in &fields.fields {
                bind(&field.pat, types.field(&key, &field.member), types, scope);
            }
        }
        (other, _) => Bound { scope }.visit_pat(other),
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
