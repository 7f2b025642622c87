//! How deep branches and loops stand inside one another.

use crate::tidy::finding::Finding;
use crate::tidy::source::RustFile;
use syn::visit::{self, Visit};

/// A function with more inside one another has a part with a name of its own.
const NESTING_MAX: usize = 4;

pub(super) fn check(file: &RustFile, findings: &mut Vec<Finding>) {
    let mut depths = Depths { now: 0, deepest: 0, found: Vec::new() };
    depths.visit_file(&file.syntax);
    for (line, depth) in depths.found {
        let text = format!(
            "branches and loops stand {depth} deep, more than {NESTING_MAX}; give an inner part a name \
             of its own"
        );
        findings.push(Finding::new(&file.path, line, "nesting", text).owed_by_file());
    }
}

struct Depths {
    now: usize,
    deepest: usize,
    /// Lines of functions that are too deep.
    found: Vec<(usize, usize)>,
}

impl Depths {
    fn function(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let outer = (self.now, self.deepest);
        (self.now, self.deepest) = (0, 0);
        self.visit_block(body);
        if self.deepest > NESTING_MAX {
            self.found.push((signature.ident.span().start().line, self.deepest));
        }
        (self.now, self.deepest) = outer;
    }

    fn deeper(&mut self, inside: impl FnOnce(&mut Self)) {
        self.now += 1;
        self.deepest = self.deepest.max(self.now);
        inside(self);
        self.now -= 1;
    }
}

impl<'ast> Visit<'ast> for Depths {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.function(&function.sig, &function.block);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.function(&function.sig, &function.block);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(body) = &function.default {
            self.function(&function.sig, body);
        }
    }

    /// `else if` stands beside its `if`, not inside.
    fn visit_expr_if(&mut self, branch: &'ast syn::ExprIf) {
        self.visit_expr(&branch.cond);
        self.deeper(|depths| depths.visit_block(&branch.then_branch));
        match &branch.else_branch {
            Some((_, next)) if matches!(**next, syn::Expr::If(_)) => self.visit_expr(next),
            Some((_, otherwise)) => self.deeper(|depths| depths.visit_expr(otherwise)),
            None => {}
        }
    }

    fn visit_expr_match(&mut self, choice: &'ast syn::ExprMatch) {
        self.visit_expr(&choice.expr);
        self.deeper(|depths| choice.arms.iter().for_each(|arm| depths.visit_arm(arm)));
    }

    fn visit_expr_for_loop(&mut self, each: &'ast syn::ExprForLoop) {
        self.visit_expr(&each.expr);
        self.deeper(|depths| depths.visit_block(&each.body));
    }

    fn visit_expr_while(&mut self, each: &'ast syn::ExprWhile) {
        self.visit_expr(&each.cond);
        self.deeper(|depths| depths.visit_block(&each.body));
    }

    fn visit_expr_loop(&mut self, each: &'ast syn::ExprLoop) {
        self.deeper(|depths| visit::visit_expr_loop(depths, each));
    }

    fn visit_local_init(&mut self, init: &'ast syn::LocalInit) {
        self.visit_expr(&init.expr);
        if let Some((_, otherwise)) = &init.diverge {
            self.deeper(|depths| depths.visit_expr(otherwise));
        }
    }
}
