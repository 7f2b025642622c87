//! Names what was being run when an assertion of the engine ends the process.

use std::sync::{Mutex, PoisonError};

static UNDER_WAY: Mutex<String> = Mutex::new(String::new());

/// Says what is run from now on.
pub fn under_way(what: String) {
    *UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner) = what;
}

/// A panic tells what was being run before it ends the process.
#[expect(clippy::print_stderr, reason = "the last words of a tool on a terminal")]
pub fn name_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        eprintln!("while running {}", UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner));
        before(panic);
    }));
}
