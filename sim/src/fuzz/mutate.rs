//! The seeded mutator: flips, cuts, repeats, splices, and numbers set to their extremes.

use super::target::{Field, Order};
use crate::chance::Chance;

/// Bytes that are most often the edge of a length, a count or a variable-length number.
const EDGES: [u8; 10] = [0x00, 0x01, 0x02, 0x7f, 0x80, 0x81, 0xfe, 0xff, 0x0f, 0x0a];

/// Most changes of one input: more make bytes that every decoder refuses at once.
const CHANGES_MAX: u64 = 4;

/// Changes `bytes` in one to `CHANGES_MAX` ways; parts of `other` may come in.
/// `fields` says where numbers stand.
pub(super) fn mutate(bytes: &mut Vec<u8>, other: &[u8], fields: &[Field], chance: &mut Chance) {
    for _ in 0..=chance.below(CHANGES_MAX) {
        change(bytes, other, fields, chance);
    }
}

fn change(bytes: &mut Vec<u8>, other: &[u8], fields: &[Field], chance: &mut Chance) {
    let place = place(bytes, fields, chance);
    match chance.below(12) {
        0 => bytes.truncate(place),
        1 => flip(bytes, place, chance),
        2 => {
            let edge = pick(&EDGES, chance).unwrap_or_default();
            part(bytes, place, chance).fill(edge);
        }
        3 => {
            let length = part(bytes, place, chance).len();
            chance.fill(bytes.get_mut(place..place + length).unwrap_or_default());
        }
        4 => {
            let end = place + part(bytes, place, chance).len();
            bytes.drain(place..end);
        }
        5 => {
            let repeated = part(bytes, place, chance).to_vec();
            let times = 1 + chance.below(8) as usize;
            let at = chance.below(bytes.len() as u64 + 1) as usize;
            bytes.splice(at..at, repeated.repeat(times));
        }
        6 => {
            let cut = chance.below(other.len() as u64 + 1) as usize;
            bytes.truncate(place);
            bytes.extend_from_slice(other.get(cut..).unwrap_or_default());
        }
        7 => {
            let at = chance.below(other.len() as u64 + 1) as usize;
            let mut taken = other.to_vec();
            let taken = part(&mut taken, at, chance).to_vec();
            bytes.splice(place..place, taken);
        }
        8 => {
            let edge = pick(&EDGES, chance).unwrap_or_default();
            bytes.insert(place, edge);
        }
        9 => {
            let width = pick(&[1, 2, 4, 8], chance).unwrap_or(1);
            let order = if chance.one_in(2) { Order::Big } else { Order::Little };
            put_extreme(bytes, Field { at: place, width, order }, chance);
        }
        _ => match pick(fields, chance) {
            Some(field) => put_extreme(bytes, field, chance),
            None => flip(bytes, place, chance),
        },
    }
}

/// Anywhere, or near a number: inputs may be padding for the most part.
fn place(bytes: &[u8], fields: &[Field], chance: &mut Chance) -> usize {
    match pick(fields, chance) {
        Some(field) if chance.one_in(2) => (field.at + chance.below(64) as usize).min(bytes.len()),
        _ => chance.below(bytes.len() as u64 + 1) as usize,
    }
}

fn pick<T: Copy>(from: &[T], chance: &mut Chance) -> Option<T> {
    if from.is_empty() {
        return None;
    }
    from.get(chance.below(from.len() as u64) as usize).copied()
}

fn flip(bytes: &mut [u8], place: usize, chance: &mut Chance) {
    if let Some(byte) = bytes.get_mut(place) {
        *byte ^= 1 << chance.below(8);
    }
}

/// Some bytes from `place` on, mostly few.
fn part<'a>(bytes: &'a mut [u8], place: usize, chance: &mut Chance) -> &'a mut [u8] {
    let rest = bytes.get_mut(place..).unwrap_or_default();
    let longest = if chance.one_in(4) { rest.len() } else { rest.len().min(16) };
    let length = chance.below(longest as u64 + 1) as usize;
    rest.get_mut(..length).unwrap_or_default()
}

/// Sets a number to what length checks get wrong: zero, signs, the largest values,
/// what is left and one more or less.
fn put_extreme(bytes: &mut [u8], field: Field, chance: &mut Chance) {
    let length = bytes.len() as u64;
    let Some(place) = bytes.get_mut(field.at..field.at.saturating_add(field.width)) else { return };
    let rest = length - (field.at + field.width) as u64;
    let now = place.iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
    let now = match field.order {
        Order::Big => now,
        Order::Little => now.swap_bytes() >> (64 - 8 * field.width as u32),
    };
    let number = match chance.below(14) {
        0 => 0,
        1 => 1,
        2 => u64::MAX,
        3 => u64::MAX << (8 * field.width as u32 - 1),
        4 => (1 << (8 * field.width as u32 - 1)) - 1,
        5 => rest,
        6 => rest + 1,
        7 => rest.wrapping_sub(1),
        8 => now.wrapping_add(1),
        9 => now.wrapping_sub(1),
        10 => now.wrapping_mul(2),
        11 => length,
        12 => 1 << chance.below(8 * field.width as u64),
        _ => now.wrapping_add(chance.below(512)).wrapping_sub(256),
    };
    let encoded = match field.order {
        Order::Big => (number << (64 - 8 * field.width as u32)).to_be_bytes(),
        Order::Little => number.to_le_bytes(),
    };
    for (to, from) in place.iter_mut().zip(encoded) {
        *to = from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_set_in_their_order() {
        let mut chance = Chance::new(7);
        for (field, width) in [(Field::big(1, 4), 4), (Field::little(1, 4), 4), (Field::big(1, 1), 1)] {
            let mut seen_zero = false;
            for _ in 0..200 {
                let mut bytes = [9u8; 8];
                put_extreme(&mut bytes, field, &mut chance);
                assert_eq!((bytes[0], &bytes[1 + width..]), (9, &[9u8; 8][1 + width..]), "{field:?}");
                seen_zero |= bytes[1..1 + width].iter().all(|byte| *byte == 0);
            }
            assert!(seen_zero, "{field:?}");
        }
    }

    #[test]
    fn one_seed_gives_one_input() {
        let input = |seed| {
            let mut bytes = (0..100).collect();
            mutate(&mut bytes, &[200; 50], &[Field::big(4, 4)], &mut Chance::new(seed));
            bytes
        };
        let inputs: std::collections::BTreeSet<Vec<u8>> = (0..300).map(input).collect();
        assert!(inputs.len() > 250, "{} different inputs", inputs.len());
        assert_eq!(input(5), input(5));
    }
}
