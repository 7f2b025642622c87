//! How a command of the driver ends.

use std::error::Error;

/// What is said of a failed command is one line.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;
