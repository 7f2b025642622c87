//! Runs a target: each case is a seed and a number, and gives the same input each time.

use super::input::{Input, Origin};
use super::meter;
use super::mutate::mutate;
use super::target::{Target, TargetOutcome};
use crate::chance::Chance;
use crate::progress::under_way;

/// Cases of one target under one seed.
pub struct Fuzz {
    target: &'static Target,
    seed: u64,
    golden: Vec<Vec<u8>>,
    seeds: Vec<Vec<u8>>,
}

/// One of so many seeds is checked unchanged.
const SEEDS_AS_THEY_ARE: u64 = 8;

/// What came of the cases so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FuzzTally {
    pub decoded: u64,
    pub refused: u64,
}

/// A promise that a decoder broke.
#[derive(Debug, Clone)]
pub struct FuzzFailure {
    pub number: u64,
    pub what: String,
    /// As small as it could be made.
    pub input: Vec<u8>,
}

/// One input before it is checked.
struct FuzzCase {
    bytes: Vec<u8>,
    kind: TargetKind,
    sources: [Vec<u8>; 2],
}

enum TargetKind {
    Whole,
    Damaged,
    Forged,
}

impl FuzzCase {
    fn input(&self) -> Input<'_> {
        let [first, second] = &self.sources;
        let origin = match self.kind {
            TargetKind::Whole => Origin::Whole,
            TargetKind::Damaged => Origin::Damaged([first, second]),
            TargetKind::Forged => Origin::Forged,
        };
        Input { bytes: &self.bytes, origin }
    }
}

impl Fuzz {
    pub fn new(target: &'static Target, seed: u64) -> Fuzz {
        assert!(
            meter::counts(),
            "memory is not counted; name `CountingAllocator` as the program's allocator"
        );
        Fuzz { target, seed, golden: (target.golden)(), seeds: (target.seeds)() }
    }

    /// The input of a case.
    pub fn input(&self, number: u64) -> Vec<u8> {
        self.case(number).bytes
    }

    /// Checks one case. A panic names it before it ends the process.
    pub fn step(&self, number: u64, tally: &mut FuzzTally) -> Result<(), FuzzFailure> {
        under_way(format!("{} --seed {} --case {number}", self.target.name, self.seed));
        let case = self.case(number);
        match (self.target.check)(&case.input()) {
            Ok(TargetOutcome::Decoded) => tally.decoded += 1,
            Ok(TargetOutcome::Refused) => tally.refused += 1,
            Err(what) => return Err(FuzzFailure { number, what, input: smallest(self.target, &case) }),
        }
        Ok(())
    }

    /// Checks cases `0..count`.
    pub fn run(&self, count: u64) -> Result<FuzzTally, FuzzFailure> {
        let mut tally = FuzzTally::default();
        (0..count).try_for_each(|number| self.step(number, &mut tally)).map(|()| tally)
    }

    fn case(&self, number: u64) -> FuzzCase {
        let mut chance = Chance::new(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number);
        let is_seeded = !self.seeds.is_empty() && chance.one_in(3);
        let mut example = || match () {
            () if is_seeded => one_of(&self.seeds, &mut chance),
            () if !self.golden.is_empty() && chance.one_in(2) => one_of(&self.golden, &mut chance),
            () => (self.target.generate)(&mut chance),
        };
        let sources = [example(), example()];
        let mut bytes = sources[0].clone();
        let kind = match chance.below(8) {
            _ if is_seeded => TargetKind::Forged,
            0 => TargetKind::Whole,
            1 | 2 => TargetKind::Damaged,
            _ => TargetKind::Forged,
        };
        let is_changed = !is_seeded || !chance.one_in(SEEDS_AS_THEY_ARE);
        if !matches!(kind, TargetKind::Whole) && is_changed {
            let fields = (self.target.fields)(&bytes);
            mutate(&mut bytes, &sources[1], &fields, &mut chance);
            bytes.truncate(self.target.bytes_max);
        }
        if matches!(kind, TargetKind::Forged) && is_changed {
            (self.target.repair)(&mut bytes);
        }
        FuzzCase { bytes, kind, sources }
    }
}

fn one_of(examples: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    examples.get(chance.below(examples.len() as u64) as usize).cloned().unwrap_or_default()
}

/// Checks bytes of which nothing is known, such as a saved failure.
pub fn check_input(target: &Target, bytes: &[u8]) -> Result<TargetOutcome, String> {
    (target.check)(&Input::forged(bytes))
}

/// Cuts parts out of a failing input as long as it fails.
/// Only what fails without its history can be made smaller.
fn smallest(target: &Target, case: &FuzzCase) -> Vec<u8> {
    let mut bytes = case.bytes.clone();
    if check_input(target, &bytes).is_ok() {
        return bytes;
    }
    let mut part = bytes.len().next_power_of_two() / 2;
    while part > 0 {
        let mut at = 0;
        while at < bytes.len() {
            let mut less = bytes.clone();
            less.drain(at..(at + part).min(bytes.len()));
            (target.repair)(&mut less);
            let smaller = less.len() < bytes.len() && check_input(target, &less).is_err();
            if smaller {
                bytes = less;
            } else {
                at += part;
            }
        }
        part /= 2;
    }
    bytes
}
