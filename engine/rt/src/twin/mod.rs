//! The simulated kernel below the shards of a world: disk, network, clock and faults, all from one seed.

pub(crate) mod port;
