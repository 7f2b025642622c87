//! Names what was being run when an assertion of the engine ends the process.

use std::cell::RefCell;

thread_local! {
    static UNDER_WAY: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Says what this thread runs from now on.
pub fn under_way(what: String) {
    UNDER_WAY.with_borrow_mut(|under_way| *under_way = what);
}

/// A panic tells what its thread was running before it ends the process.
#[expect(clippy::print_stderr, reason = "the last words of a tool on a terminal")]
pub fn name_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        UNDER_WAY.with_borrow(|under_way| eprintln!("while running {under_way}"));
        before(panic);
    }));
}
