//! The journal: frames, what to write, what to carry, what to reuse, how to recover.
//!
//! Bytes on disk: `frame` and `entry` (slots and ring), `checkpoint`. While running: `machine`, which places
//! frames in the ring (`ring`) and in the slots (`slots`), `release`, which decides what a cleaning carries,
//! and `reserve`, which keeps space on the disk for what the journal holds. At start: `recover` finds the
//! chain of frames, `replay` turns it into partitions, and what it sees on the way into `observation`s. Where
//! the checkpoints are damaged, `oldest` finds the chain's beginning, and `journaled` and `rebuild` learn
//! from frames and segments what a checkpoint would say.

mod batches;
mod checkpoint;
mod entry;
mod frame;
mod geometry;
mod journaled;
mod machine;
mod observation;
mod oldest;
mod rebuild;
mod recover;
mod release;
mod replay;
mod reserve;
mod ring;
mod slots;
mod tails;

pub use checkpoint::{
    CheckpointBounds, Checkpoints, PartitionCheckpoint, ProducerBatchCheckpoint, ProducerCheckpoint,
    SegmentFacts, ShardCheckpoint,
};
pub use entry::{APPEND_HEAD_BYTES, CompactedSegment, EXTENT_HEAD_BYTES, Entry, Payload, Span};
pub use frame::{BootNonce, FRAME_HEADER_BYTES, Frame, FrameFault, FrameHeader, FrameSequence};
pub use geometry::{
    CARRY_TAIL_BYTES_MAX, GeometryError, JOURNAL_BYTES_MIN, JournalGeometry, SLOT_BYTES_MIN, SLOTS_MAX,
};
pub use journaled::{JournaledLog, Run, Stretch};
pub use machine::{Cleaning, FrameWrite, Journal, NoRoom, Purpose, SealedFrame, WRITES_MAX};
pub use observation::Observation;
pub use oldest::oldest_frame;
pub use rebuild::LogRebuild;
pub use recover::{
    Chain, ChainStart, ChainSurvey, Corruption, CorruptionReason, TornTail, holds_frames, recover_chain,
    survey_chain,
};
pub use release::{CarryLimits, ReleasePlan, UnreleasedTail, plan_release, replay_from};
pub use replay::{RecoveredPartition, Replay, ReplayError};
pub use reserve::{
    ADMISSION_BYTES, ADMISSION_INODES, SpaceGuard, SpaceMeasure, SpaceNeed, SpaceState, Stock,
};
pub use tails::{ExtentPiece, TailPiece};
