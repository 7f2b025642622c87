//! What a shard has of the machine: disks and turns at them, free space, open files, the memory of responses.

pub(crate) mod disk_classes;
pub(crate) mod egress;
pub(crate) mod fatal;
pub(crate) mod open_files;
pub(crate) mod planted;
pub(crate) mod shares;
pub(crate) mod space;
pub(crate) mod turns;
