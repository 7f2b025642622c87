//! Calls of methods of a crate's types, by the type of the receiver where it is easy to see,
//! or else by the name.

use super::declared::{Source, Types, sources};
use super::key::TypeKey;
use super::pattern::{Scope, bind};
use super::resolve::{Known, segments};
use super::std_names::{is_ordinary, passes, passes_all, picks, wraps};
use crate::tidy::layers::{ModulePath, Modules};
use crate::tidy::source::is_for_tests;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};

/// One call of a method that this crate defines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::tidy) struct Call {
    /// Whose method it is.
    pub(in crate::tidy) of: TypeKey,
    pub(in crate::tidy) method: String,
    /// Who calls.
    pub(in crate::tidy) module: ModulePath,
    pub(in crate::tidy) file: String,
    pub(in crate::tidy) line: usize,
}

/// Every call in code that is no test.
pub(in crate::tidy) fn calls(types: &Types<'_>, modules: &Modules<'_>) -> Vec<Call> {
    let mut found = Vec::new();
    for source in sources(modules) {
        let mut finder = Finder { types, source: &source, own: None, scopes: Vec::new(), found: &mut found };
        source.items.iter().for_each(|item| finder.visit_item(item));
    }
    found
}

struct Finder<'s, 't> {
    types: &'s Types<'t>,
    source: &'s Source<'t>,
    /// What `Self` stands for.
    own: Option<TypeKey>,
    scopes: Vec<Scope>,
    found: &'s mut Vec<Call>,
}

impl Finder<'_, '_> {
    fn known(&self, written: &syn::Type) -> Known {
        self.types.names.known(&self.source.module, written, self.own.as_ref())
    }

    fn variable(&self, name: &str) -> Known {
        if name == "self" {
            return self.own.clone().map_or(Known::Nothing, Known::Own);
        }
        self.scopes.iter().rev().find_map(|scope| scope.get(name)).cloned().unwrap_or(Known::Nothing)
    }

    /// What is known of the value of an expression.
    fn value(&self, expression: &syn::Expr) -> Known {
        match expression {
            syn::Expr::Path(path) => match path.path.get_ident() {
                Some(name) => self.variable(&name.to_string()),
                None => Known::Nothing,
            },
            syn::Expr::Reference(inner) => self.value(&inner.expr),
            syn::Expr::Paren(inner) => self.value(&inner.expr),
            syn::Expr::Group(inner) => self.value(&inner.expr),
            syn::Expr::Try(inner) => self.value(&inner.expr),
            syn::Expr::Await(inner) => self.value(&inner.base),
            syn::Expr::Unary(inner) => self.value(&inner.expr),
            syn::Expr::Field(field) => self.field(field),
            syn::Expr::Index(index) => self.value(&index.expr).each(),
            syn::Expr::MethodCall(call) => self.returned(call),
            syn::Expr::Call(call) => self.returned_by_path(call),
            syn::Expr::Struct(literal) => {
                match self.types.names.named(&self.source.module, &segments(&literal.path)) {
                    Some(key) if self.types.all.contains_key(&key) => Known::Own(key),
                    _ if literal.path.is_ident("Self") => self.variable("self"),
                    _ => Known::Nothing,
                }
            }
            syn::Expr::Lit(_) | syn::Expr::Array(_) | syn::Expr::Binary(_) | syn::Expr::Range(_) => {
                Known::Foreign
            }
            _ => Known::Nothing,
        }
    }

    fn field(&self, field: &syn::ExprField) -> Known {
        match self.value(&field.base) {
            Known::Own(key) => self.types.field(&key, &field.member),
            Known::Foreign => Known::Foreign,
            Known::Many(_) | Known::Nothing => Known::Nothing,
        }
    }

    fn returned(&self, call: &syn::ExprMethodCall) -> Known {
        let name = call.method.to_string();
        let receiver = self.value(&call.receiver);
        match (self.callee(&name, &receiver), &receiver) {
            (Some(key), _) => self.output(&key, &name),
            (None, Known::Many(_)) if passes_all(&name) => receiver,
            (None, Known::Many(_)) if picks(&name) => receiver.each(),
            (None, Known::Many(_)) => Known::Nothing,
            (None, _) if passes(&name) => receiver,
            (None, _) => Known::Nothing,
        }
    }

    fn returned_by_path(&self, call: &syn::ExprCall) -> Known {
        let syn::Expr::Path(path) = &*call.func else { return Known::Nothing };
        let Some(last) = path.path.segments.last() else { return Known::Nothing };
        let name = last.ident.to_string();
        match (self.owner(&path.path), call.args.first()) {
            (Some(key), _) => self.output(&key, &name),
            (None, Some(first)) if wraps(&name) => self.value(first),
            _ => Known::Nothing,
        }
    }

    fn output(&self, key: &TypeKey, method: &str) -> Known {
        let method = self.types.all.get(key).and_then(|declared| declared.methods.get(method));
        let Some((module, output)) = method.and_then(|method| Some((&method.place.module, method.output?)))
        else {
            return Known::Nothing;
        };
        self.types.names.known(module, output, Some(key))
    }

    /// The type whose method is called; `None` when it is none of this crate, or cannot be told.
    fn callee(&self, name: &str, receiver: &Known) -> Option<TypeKey> {
        let owners = self.types.owners.get(name)?;
        match receiver {
            Known::Own(key) => owners.contains(key).then(|| key.clone()),
            Known::Many(_) | Known::Foreign => None,
            Known::Nothing => self.by_name(name),
        }
    }

    /// A method whose name only one type has, and which can be called from here.
    fn by_name(&self, name: &str) -> Option<TypeKey> {
        let [key] = self.types.owners.get(name)?.as_slice() else { return None };
        let method = self.types.all.get(key)?.methods.get(name)?;
        let is_near = self.source.module.starts_with(&method.place.module);
        (!is_ordinary(name) && (method.is_visible || is_near)).then(|| key.clone())
    }

    /// The type before the last name of a path: `Core` of `Core::open`.
    fn owner(&self, path: &syn::Path) -> Option<TypeKey> {
        let method = path.segments.last()?.ident.to_string();
        let key = self.types.names.owner(&self.source.module, path, self.own.as_ref())?;
        self.types.owners.get(&method)?.contains(&key).then_some(key)
    }

    fn note(&mut self, of: TypeKey, method: &syn::Ident) {
        self.found.push(Call {
            of,
            method: method.to_string(),
            module: self.source.module.clone(),
            file: self.source.file.to_owned(),
            line: method.span().start().line,
        });
    }

    fn bind(&mut self, pattern: &syn::Pat, known: Known) {
        if let Some(scope) = self.scopes.last_mut() {
            bind(pattern, known, self.types, scope);
        }
    }

    /// A closure whose first parameter is what `given` says, as far as it does not say so itself.
    fn closure(&mut self, closure: &syn::ExprClosure, given: Known) {
        self.scoped(|finder| {
            let mut given = Some(given);
            for input in &closure.inputs {
                let known = match (input, given.take()) {
                    (syn::Pat::Type(typed), _) => finder.known(&typed.ty),
                    (_, given) => given.unwrap_or(Known::Nothing),
                };
                finder.bind(input, known);
            }
            finder.visit_expr(&closure.body);
        });
    }

    fn parameters(&mut self, signature: &syn::Signature) {
        for input in &signature.inputs {
            if let syn::FnArg::Typed(typed) = input {
                let known = self.known(&typed.ty);
                self.bind(&typed.pat, known);
            }
        }
    }

    fn scoped(&mut self, inside: impl FnOnce(&mut Self)) {
        self.scopes.push(Scope::new());
        inside(self);
        self.scopes.pop();
    }
}

impl<'ast> Visit<'ast> for Finder<'_, '_> {
    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let own = self.types.names.key(&self.source.module, &item.self_ty, None);
        let outer = std::mem::replace(&mut self.own, own);
        visit::visit_item_impl(self, item);
        self.own = outer;
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        let outer = self.own.take();
        visit::visit_item_trait(self, item);
        self.own = outer;
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !is_for_tests(&function.attrs) {
            self.scoped(|finder| {
                finder.parameters(&function.sig);
                visit::visit_impl_item_fn(finder, function);
            });
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        if !is_for_tests(&function.attrs) {
            self.scoped(|finder| {
                finder.parameters(&function.sig);
                visit::visit_item_fn(finder, function);
            });
        }
    }

    fn visit_block(&mut self, block: &'ast syn::Block) {
        self.scoped(|finder| visit::visit_block(finder, block));
    }

    fn visit_expr_closure(&mut self, closure: &'ast syn::ExprClosure) {
        self.closure(closure, Known::Nothing);
    }

    fn visit_local(&mut self, local: &'ast syn::Local) {
        visit::visit_local(self, local);
        let value = local.init.as_ref().map(|init| &*init.expr);
        if let (syn::Pat::Tuple(names), Some(syn::Expr::Tuple(values))) = (&local.pat, value) {
            for (name, value) in names.elems.iter().zip(&values.elems) {
                let known = self.value(value);
                self.bind(name, known);
            }
            return;
        }
        let known = match (&local.pat, value) {
            (syn::Pat::Type(typed), _) => self.known(&typed.ty),
            (_, Some(value)) => self.value(value),
            _ => Known::Nothing,
        };
        self.bind(&local.pat, known);
    }

    fn visit_expr_if(&mut self, branch: &'ast syn::ExprIf) {
        self.scoped(|finder| visit::visit_expr_if(finder, branch));
    }

    fn visit_expr_while(&mut self, branch: &'ast syn::ExprWhile) {
        self.scoped(|finder| visit::visit_expr_while(finder, branch));
    }

    fn visit_expr_let(&mut self, binding: &'ast syn::ExprLet) {
        visit::visit_expr_let(self, binding);
        let known = self.value(&binding.expr);
        self.bind(&binding.pat, known);
    }

    fn visit_expr_for_loop(&mut self, each: &'ast syn::ExprForLoop) {
        self.scoped(|finder| {
            let known = finder.value(&each.expr).each();
            finder.bind(&each.pat, known);
            visit::visit_expr_for_loop(finder, each);
        });
    }

    fn visit_expr_match(&mut self, choice: &'ast syn::ExprMatch) {
        self.visit_expr(&choice.expr);
        let known = self.value(&choice.expr);
        for arm in &choice.arms {
            self.scoped(|finder| {
                finder.bind(&arm.pat, known.clone());
                visit::visit_arm(finder, arm);
            });
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        let receiver = self.value(&call.receiver);
        let callee = self.callee(&call.method.to_string(), &receiver);
        // A closure that a collection or a wrapper takes is called with what that holds.
        let given = match (&callee, receiver) {
            (None, Known::Own(key)) => Known::Own(key),
            (None, many) => many.each(),
            (Some(_), _) => Known::Nothing,
        };
        if let Some(of) = callee {
            self.note(of, &call.method);
        }
        self.visit_expr(&call.receiver);
        for argument in &call.args {
            match argument {
                syn::Expr::Closure(closure) => self.closure(closure, given.clone()),
                other => self.visit_expr(other),
            }
        }
    }

    fn visit_expr_path(&mut self, path: &'ast syn::ExprPath) {
        if let (Some(of), Some(last)) = (self.owner(&path.path), path.path.segments.last()) {
            self.note(of, &last.ident);
        }
        visit::visit_expr_path(self, path);
    }

    /// What a macro takes is read where it looks like expressions or statements.
    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let expressions = call.parse_body_with(Punctuated::<syn::Expr, syn::Token![,]>::parse_terminated);
        if let Ok(expressions) = expressions {
            for expression in &expressions {
                self.visit_expr(expression);
            }
        } else if let Ok(statements) = call.parse_body_with(syn::Block::parse_within) {
            for statement in &statements {
                self.visit_stmt(statement);
            }
        }
    }
}
