//! The simulated world: nodes, their shards, crashes and faults, replayed from one seed.
