//! The journal: frames, what to write, what to carry, what to reuse, how to recover.
//!
//! Bytes on disk: `frames` (of slots and ring) and `checkpoint`. While running: `machine`, which lets
//! `placement` say where a frame stands and what a cleaning carries, and `reserve`, which keeps space on the
//! disk for what the journal holds. At start: `recovery`, from the chain of frames to partitions.

mod checkpoint;
mod frames;
mod machine;
mod placement;
mod recovery;
mod reserve;

pub use checkpoint::{
    CheckpointBounds, Checkpoints, PartitionCheckpoint, ProducerBatchCheckpoint, ProducerCheckpoint,
    SegmentFacts, ShardCheckpoint,
};
pub use frames::entry::{APPEND_HEAD_BYTES, CompactedSegment, EXTENT_HEAD_BYTES, Entry, Payload, Span};
pub use frames::frame::{BootNonce, FRAME_HEADER_BYTES, Frame, FrameFault, FrameHeader, FrameSequence};
pub use machine::{Cleaning, FrameWrite, Journal, NoRoom, Purpose, SealedFrame, WRITES_MAX};
pub use placement::geometry::{
    CARRY_TAIL_BYTES_MAX, GeometryError, JOURNAL_BYTES_MIN, JournalGeometry, SLOT_BYTES_MIN, SLOTS_MAX,
};
pub use placement::release::{CarryLimits, ReleasePlan, UnreleasedTail, plan_release, replay_from};
pub use recovery::journaled::{JournaledLog, Run, Stretch};
pub use recovery::observation::Observation;
pub use recovery::oldest::oldest_frame;
pub use recovery::rebuild::LogRebuild;
pub use recovery::recover::{
    Chain, ChainStart, ChainSurvey, Corruption, CorruptionReason, TornTail, holds_frames, recover_chain,
    survey_chain,
};
pub use recovery::replay::{RecoveredPartition, Replay, ReplayError};
pub use recovery::tails::{ExtentPiece, TailPiece};
pub use reserve::{
    ADMISSION_BYTES, ADMISSION_INODES, SpaceGuard, SpaceMeasure, SpaceNeed, SpaceState, Stock,
};
