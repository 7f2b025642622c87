//! The bytes of one partition that replay finds in the journal, put in place by segment and position.

use crate::base::{Offset, Position};
use bytes::Bytes;
use std::collections::BTreeMap;

/// Bytes of a segment that may be missing in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TailPiece {
    pub segment: Offset,
    pub position: Position,
    pub bytes: Bytes,
}

/// Bytes that were durable in the segment file before the journal named them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtentPiece {
    pub segment: Offset,
    pub position: Position,
    pub length: u64,
}

/// A place in a partition's log: byte `position` of `segment`.
pub(crate) type Place = (Offset, Position);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Inline(Bytes),
    /// So many bytes.
    InFile(u64),
}

impl Piece {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Piece::Inline(bytes) => bytes.len() as u64,
            Piece::InFile(length) => *length,
        }
    }

    /// Cuts the piece after `at` bytes; `at` is within it.
    pub(crate) fn split(self, at: u64) -> (Piece, Piece) {
        match self {
            Piece::Inline(mut bytes) => {
                let back = bytes.split_off((at as usize).min(bytes.len()));
                (Piece::Inline(bytes), Piece::Inline(back))
            }
            Piece::InFile(length) => (Piece::InFile(at), Piece::InFile(length.saturating_sub(at))),
        }
    }
}

/// Pieces that do not overlap; a later one replaces what stood in its place.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tails {
    pieces: BTreeMap<Place, Piece>,
}

impl Tails {
    /// Puts a piece in place. Its end must not pass the largest position.
    pub(crate) fn put(&mut self, (segment, position): Place, piece: Piece) {
        let end = Position(position.0 + piece.len());
        if end == position {
            return;
        }
        self.split_at((segment, position));
        self.split_at((segment, end));
        let replaced: Vec<Place> =
            self.pieces.range((segment, position)..(segment, end)).map(|(place, _)| *place).collect();
        for place in replaced {
            self.pieces.remove(&place);
        }
        self.pieces.insert((segment, position), piece);
    }

    /// Forgets everything from `place` on.
    pub(crate) fn cut_from(&mut self, place: Place) {
        self.split_at(place);
        self.pieces.split_off(&place);
    }

    /// Forgets everything before `place`.
    pub(crate) fn cut_before(&mut self, place: Place) {
        self.split_at(place);
        self.pieces = self.pieces.split_off(&place);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Place, &Piece)> {
        self.pieces.iter().map(|(place, piece)| (*place, piece))
    }

    /// The pieces in order, by kind.
    pub(crate) fn into_pieces(self) -> (Vec<TailPiece>, Vec<ExtentPiece>) {
        let (mut tails, mut extents) = (Vec::new(), Vec::new());
        for ((segment, position), piece) in self.pieces {
            match piece {
                Piece::Inline(bytes) => tails.push(TailPiece { segment, position, bytes }),
                Piece::InFile(length) => extents.push(ExtentPiece { segment, position, length }),
            }
        }
        (tails, extents)
    }

    /// Makes a piece begin at `place` if one reaches over it.
    fn split_at(&mut self, place: Place) {
        let Some((&(segment, position), piece)) = self.pieces.range(..place).next_back() else { return };
        let reaches_over = segment == place.0 && position.0 + piece.len() > place.1.0;
        if !reaches_over {
            return;
        }
        if let Some(piece) = self.pieces.remove(&(segment, position)) {
            let (front, back) = piece.split(place.1.0 - position.0);
            self.pieces.insert((segment, position), front);
            self.pieces.insert(place, back);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps: `segment:position=text` puts, `segment:position<` cuts from there on,
    /// `segment:position>` before.
    fn check(script: &str, expected: &str) {
        let mut tails = Tails::default();
        let number = |text: &str| text.parse::<u64>().unwrap();
        for step in script.split(' ') {
            let split = step.find(['=', '<', '>']).unwrap();
            let (segment, position) = step[..split].split_once(':').unwrap();
            let place = (Offset(number(segment) as i64), Position(number(position)));
            let text = Bytes::copy_from_slice(&step.as_bytes()[split + 1..]);
            match &step[split..=split] {
                "=" => tails.put(place, Piece::Inline(text)),
                "<" => tails.cut_from(place),
                _ => tails.cut_before(place),
            }
        }
        let pieces: Vec<String> = tails
            .into_pieces()
            .0
            .iter()
            .map(|piece| {
                format!("{}:{}={}", piece.segment, piece.position, str::from_utf8(&piece.bytes).unwrap())
            })
            .collect();
        assert_eq!(pieces.join(" "), expected, "{script}");
    }

    #[test]
    fn pieces_replace_and_cut_each_other() {
        check("0:0=abc 0:3=def", "0:0=abc 0:3=def");
        check("0:0=abcdef 0:2=XY", "0:0=ab 0:2=XY 0:4=ef");
        check("0:0=ab 0:2=cd 0:4=ef 0:1=WXYZ", "0:0=a 0:1=WXYZ 0:5=f");
        check("0:0=abc 0:0=XYZ 7:0=q", "0:0=XYZ 7:0=q");
        check("0:0=abc 0:3=def 5:0=g 0:4<", "0:0=abc 0:3=d");
        check("0:0=abc 0:3=def 5:0=g 0:4>", "0:4=ef 5:0=g");
        check("0:0=abc 5:0=g 3:0>", "5:0=g");
        check("0:0=", "");
    }
}
