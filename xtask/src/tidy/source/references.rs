//! The paths that a Rust file names: in `use` trees, in types and expressions, and in what macros take.

use super::attributes::{attributes, is_for_tests};
use super::tokens::{Token, flat, stands_at};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// One path, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::tidy) struct Reference {
    /// As written, without groups; the last segment may be `*`.
    pub(in crate::tidy) path: Vec<String>,
    pub(in crate::tidy) line: usize,
    /// Names of the inline modules around it, outermost first.
    pub(in crate::tidy) inside: Vec<String>,
    /// Compiled for tests only.
    pub(in crate::tidy) is_test: bool,
    /// The name that it has afterwards, for a `use`.
    pub(in crate::tidy) name: Option<String>,
    /// A `pub use`.
    pub(in crate::tidy) is_export: bool,
}

/// Every path in a `use`, and every other path of two segments or more.
pub(super) fn uses(syntax: &syn::File) -> Vec<Reference> {
    let mut found =
        Found { inside: Vec::new(), is_test: is_for_tests(&syntax.attrs), references: Vec::new() };
    found.visit_file(syntax);
    found.references
}

struct Found {
    inside: Vec<String>,
    is_test: bool,
    references: Vec<Reference>,
}

impl Found {
    fn push(&mut self, path: Vec<String>, line: usize) {
        if path.len() > 1 {
            self.references.push(self.reference(path, line));
        }
    }

    fn reference(&self, path: Vec<String>, line: usize) -> Reference {
        let inside = self.inside.clone();
        Reference { path, line, inside, is_test: self.is_test, name: None, is_export: false }
    }

    fn tree(&mut self, tree: &syn::UseTree, prefix: &[String], is_export: bool) {
        let mut path = prefix.to_vec();
        let name = match tree {
            syn::UseTree::Path(inner) => {
                path.push(inner.ident.to_string());
                return self.tree(&inner.tree, &path, is_export);
            }
            syn::UseTree::Group(group) => {
                return group.items.iter().for_each(|inner| self.tree(inner, prefix, is_export));
            }
            syn::UseTree::Name(name) => name.ident.to_string(),
            syn::UseTree::Rename(name) => name.ident.to_string(),
            syn::UseTree::Glob(_) => "*".to_owned(),
        };
        if name != "self" || prefix.is_empty() {
            path.push(name);
        }
        let local = match tree {
            syn::UseTree::Rename(name) => Some(name.rename.to_string()),
            _ => path.last().cloned(),
        };
        let reference = self.reference(path, tree.span().start().line);
        self.references.push(Reference { name: local, is_export, ..reference });
    }

    fn tested(&mut self, attributes: &[syn::Attribute], inside: impl FnOnce(&mut Self)) {
        let outer = self.is_test;
        self.is_test |= is_for_tests(attributes);
        inside(self);
        self.is_test = outer;
    }

    /// Reads a path among tokens and gives the index behind it.
    fn loose_path(&mut self, tokens: &[Token], at: usize) -> usize {
        let mut path = vec![tokens[at].text.clone()];
        let mut end = at + 1;
        while stands_at(tokens, end, "::") && tokens.get(end + 1).is_some_and(Token::is_word) {
            path.push(tokens[end + 1].text.clone());
            end += 2;
        }
        self.push(path, tokens[at].line);
        end
    }
}

impl<'ast> Visit<'ast> for Found {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        self.tested(attributes(item), |found| visit::visit_item(found, item));
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.tested(&function.attrs, |found| visit::visit_impl_item_fn(found, function));
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        self.inside.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.inside.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&item.tree, &[], !matches!(item.vis, syn::Visibility::Inherited));
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names = path.segments.iter().map(|segment| segment.ident.to_string());
        self.push(names.collect(), path.span().start().line);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        let tokens = flat(call.tokens.clone());
        let mut at = 0;
        while at < tokens.len() {
            at = if begins_path(&tokens, at) { self.loose_path(&tokens, at) } else { at + 1 };
        }
    }
}

fn begins_path(tokens: &[Token], at: usize) -> bool {
    let follows_path = at > 0 && tokens[at - 1].text == "::";
    tokens[at].is_word() && !follows_path && stands_at(tokens, at + 1, "::")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found() {
        let cases = [
            ("use a::b;", "a::b"),
            ("use a::{self, b::{c, d as e}, f::*};", "a a::b::c a::b::d a::f::*"),
            ("pub(crate) use super::x::Y;", "super::x::Y"),
            ("fn f() -> crate::a::B { super::c::d::<T>(1) }", "crate::a::B super::c::d"),
            ("impl<'a> X for Y { fn g() -> impl T + use<'a> {} }", ""),
            ("fn f() { g!(\"{}\", crate::a::b(), x => self::c) }", "crate::a::b self::c"),
            ("fn f() { use a::b; mod m { type A = super::c::D; } }", "a::b super::c::D"),
        ];
        for (text, expected) in cases {
            let found = uses(&syn::parse_file(text).unwrap());
            let found: Vec<String> = found.iter().map(|reference| reference.path.join("::")).collect();
            assert_eq!(found.join(" "), expected, "{text}");
        }
    }
}
