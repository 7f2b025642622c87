//! What one append and one fetch take of memory and copy, through the shard's surface:
//! nothing of it per record.

#[cfg(test)]
mod appends;
#[cfg(test)]
mod bench;
#[cfg(test)]
mod cold;
#[cfg(test)]
mod extents;
#[cfg(test)]
mod false_lengths;
#[cfg(test)]
mod fetches;
#[cfg(test)]
mod files;
#[cfg(test)]
mod followers;
#[cfg(test)]
mod inodes;
#[cfg(test)]
mod many;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod producers;
#[cfg(test)]
mod resting;
#[cfg(test)]
mod times;

use millrace_rt::CountingAllocator;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;
