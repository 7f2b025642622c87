//! What one fetch may bring, and what it then holds:
//! records that would keep too much memory are copied out of it.

use std::rc::Rc;

use bytes::Bytes;
use millrace_core::base::egress::{EgressGrant, GrantKind};
use millrace_rt::Block;

use crate::api::FetchedPartition;
use crate::device::egress::{EgressBudget, EgressCharge};
use crate::mesh::requests::FirstBatch;

/// Records that keep this many times their size of memory are worth a copy where memory is short.
const COPIES_PAY: u64 = 2;

/// Room that a fetch got before it reads.
pub(crate) struct Granted {
    pub(crate) bytes: usize,
    /// Where there was no room nothing is read but where the log begins and ends.
    pub(crate) first: FirstBatch,
    /// None where there was no room.
    kind: Option<GrantKind>,
    charge: EgressCharge,
}

impl Granted {
    pub(crate) fn of(reserved: Option<(EgressGrant, EgressCharge)>, budget: &Rc<EgressBudget>) -> Granted {
        match reserved {
            None => {
                let charge = budget.charge(0);
                Granted { bytes: 0, first: FirstBatch::WithinBudget, kind: None, charge }
            }
            Some((EgressGrant { bytes, kind }, charge)) => Granted {
                bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
                first: FirstBatch::Always,
                kind: Some(kind),
                charge,
            },
        }
    }

    /// For how much a reader waits that would wait for `wanted` bytes.
    pub(crate) fn worth_waiting_for(&self, wanted: usize) -> usize {
        match self.kind {
            Some(GrantKind::Whole) => wanted,
            Some(GrantKind::Cut) => wanted.min(self.bytes),
            Some(GrantKind::Single) | None => wanted.min(1),
        }
    }

    /// Charges what the records hold.
    pub(crate) fn settle(self, fetched: &mut [FetchedPartition]) -> EgressCharge {
        let mut charge = self.charge;
        let (bytes, held) = fetched.iter().fold((0, 0), |(bytes, held), partition| {
            (bytes + fetched_bytes(partition) as u64, held + held_bytes(partition))
        });
        let held = match held > charge.bytes() && held >= COPIES_PAY * bytes {
            true => copy_out(fetched, bytes as usize),
            false => held,
        };
        charge.resize(held);
        charge
    }
}

pub(crate) fn fetched_bytes(partition: &FetchedPartition) -> usize {
    match &partition.result {
        Ok(fetched) => fetched.records.iter().map(Bytes::len).sum(),
        Err(_) => 0,
    }
}

/// What counts for what a reader waits for: also bytes that do not fit, for which it would wait in vain.
pub(crate) fn waited_for_bytes(partition: &FetchedPartition) -> usize {
    partition.result.as_ref().map_or(0, |fetched| fetched_bytes(partition) + fetched.unfilled_bytes)
}

fn held_bytes(partition: &FetchedPartition) -> u64 {
    partition.result.as_ref().map_or(0, |fetched| fetched.held_bytes)
}

/// Puts all records into one block of their own; returns how much memory that is.
fn copy_out(fetched: &mut [FetchedPartition], bytes: usize) -> u64 {
    let mut block = Block::with_capacity(bytes);
    let capacity = block.capacity() as u64;
    let mut filled = 0;
    for piece in fetched_records(fetched).flatten() {
        millrace_rt::copy_payload(&mut block.as_mut_slice()[filled..filled + piece.len()], piece);
        filled += piece.len();
    }
    let block = block.freeze();
    let mut at = 0;
    for partition in fetched.iter_mut() {
        let length = fetched_bytes(partition);
        if let Ok(fetched) = &mut partition.result
            && length > 0
        {
            fetched.records = vec![block.slice(at..at + length)];
            at += length;
        }
    }
    capacity
}

fn fetched_records(fetched: &[FetchedPartition]) -> impl Iterator<Item = &Vec<Bytes>> {
    fetched.iter().filter_map(|partition| partition.result.as_ref().ok().map(|fetched| &fetched.records))
}
