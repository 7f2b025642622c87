//! Regular expressions that users write, to match the whole of a name: linear in time,
//! without look-around or back references.

use regex::{Regex, RegexBuilder};

/// Compiles a pattern; `limit` bounds what it may take.
pub fn whole_name(
    pattern: &str,
    limit: impl Fn(&mut RegexBuilder) -> &mut RegexBuilder,
) -> Result<Regex, regex::Error> {
    let build = |text: &str| limit(&mut RegexBuilder::new(text)).build();
    // Alone first: within a group a stray `)` would close that.
    build(pattern).and_then(|_| build(&format!("^(?:{pattern})$")))
}
