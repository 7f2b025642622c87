//! What a fuzz target is: examples of its format, where their lengths stand,
//! how checksums are made good, what to check.

use super::input::Input;
use crate::chance::Chance;

/// The decoders of one format and what every input of theirs is held to.
pub struct Target {
    pub name: &'static str,
    /// The functions this target drives, as `file::function`; a test compares them with the sources.
    pub decoders: &'static [&'static str],
    /// Inputs known to be good that no encoder here made: golden bytes.
    pub(super) golden: fn() -> Vec<Vec<u8>>,
    /// Inputs of the parity cases, good or bad on purpose: where mutation begins,
    /// and nothing that must be read.
    pub(super) seeds: fn() -> Vec<Vec<u8>>,
    /// A new good input.
    pub(super) generate: fn(&mut Chance) -> Vec<u8>,
    /// Where lengths, counts and kinds stand in an input.
    pub(super) fields: fn(&[u8]) -> Vec<Field>,
    /// Makes checksums and lengths of envelopes good again, so that what they guard is read.
    pub(super) repair: fn(&mut Vec<u8>),
    pub(super) check: fn(&Input<'_>) -> Checked,
    /// Inputs are cut to this.
    pub(super) bytes_max: usize,
}

impl Target {
    /// The inputs that others begin with: golden bytes, and those of the parity cases.
    pub fn examples(&self) -> Vec<Vec<u8>> {
        [(self.golden)(), (self.seeds)()].concat()
    }

    /// What most targets have in common.
    pub(super) const PLAIN: Target = Target {
        name: "",
        decoders: &[],
        golden: Vec::new,
        seeds: Vec::new,
        generate: |_| Vec::new(),
        fields: |_| Vec::new(),
        repair: |_| {},
        check: |_| Ok(TargetOutcome::Refused),
        bytes_max: 16 * 1024,
    };
}

/// What a decoder made of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetOutcome {
    Decoded,
    Refused,
}

/// A broken promise comes as text.
pub(super) type Checked = Result<TargetOutcome, String>;

/// A number in an input whose extremes are worth trying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) at: usize,
    pub(super) width: usize,
    pub(super) order: Order,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Big,
    Little,
}

impl Field {
    pub(super) fn big(at: usize, width: usize) -> Field {
        Field { at, width, order: Order::Big }
    }

    pub(super) fn little(at: usize, width: usize) -> Field {
        Field { at, width, order: Order::Little }
    }
}

/// Fails with a text unless the promise holds.
pub(super) fn promise(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}
