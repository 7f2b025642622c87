//! The fuzz targets as CI runs them: a sample of each, what they found before, planted faults,
//! and that none is missing.

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod coverage;
#[cfg(test)]
mod planted;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod served;

use millrace_rt::CountingAllocator;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;
