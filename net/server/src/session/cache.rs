//! The incremental fetch sessions of one shard (KIP-227): a pure machine driven by the fetch API.

use std::time::Duration;

use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};

use crate::session::partitions::{PartitionRef, SessionPartitions, Told, WantedPartition};

/// A session that was not used for this long makes room for a new one. One that has existed for this long
/// makes room for a larger one (Kafka's `MIN_INCREMENTAL_FETCH_SESSION_EVICTION_MS`).
pub(crate) const EVICTION_AGE: Duration = Duration::from_secs(120);

/// Partitions that one session may hold, and that all sessions of a shard may hold together: each takes some
/// 200 bytes, so that clients which name millions cannot take more than 20 MB and 100 MB.
/// Past it a client fetches without a session.
const SESSION_PARTITIONS_MAX: usize = 100_000;
const SHARD_PARTITIONS_MAX: usize = 500_000;

const _: () = assert!(SESSION_PARTITIONS_MAX <= SHARD_PARTITIONS_MAX);

/// "No session" in requests and responses.
pub(crate) const NO_SESSION: i32 = 0;
/// A request of this epoch is full and asks for a session.
pub(crate) const INITIAL_EPOCH: i32 = 0;
/// A request of this epoch is full and asks for none.
pub(crate) const FINAL_EPOCH: i32 = -1;

/// How a client names topics; it may not change within a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Naming {
    Names,
    Ids,
}

/// The fields of a request about its session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Metadata {
    pub(crate) id: i32,
    pub(crate) epoch: i32,
    pub(crate) naming: Naming,
}

/// One partition of a request.
pub(crate) type Ask = (PartitionRef, WantedPartition);

/// What a fetch is to read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    /// The requested partitions, without a session.
    Sessionless(Vec<Ask>),
    /// The requested partitions. A session may be made of them when they have been read.
    Full(Vec<Ask>),
    /// All partitions of the session.
    Incremental(Vec<Ask>),
    Refused(SessionFault),
}

/// Why a request does not fit its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionFault {
    UnknownId,
    WrongEpoch,
    OtherNaming,
}

/// What was read of one partition.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Read {
    pub(crate) told: Told,
    pub(crate) has_records: bool,
    pub(crate) is_error: bool,
}

/// One session: a value that can move to another shard with its connection.
#[derive(Debug, Clone)]
pub(crate) struct FetchSession {
    id: i32,
    epoch: i32,
    naming: Naming,
    partitions: SessionPartitions,
    created: Duration,
    used: Duration,
}

impl FetchSession {
    pub(crate) fn id(&self) -> i32 {
        self.id
    }
}

/// Lives on one shard. Times are counted from any fixed moment.
#[derive(Debug)]
pub(crate) struct SessionCache {
    slots: usize,
    sessions: FxHashMap<i32, FetchSession>,
    evictions: u64,
    /// The part of [`SHARD_PARTITIONS_MAX`] that all sessions take together.
    held: usize,
}

impl SessionCache {
    pub(crate) fn new(slots: usize) -> SessionCache {
        SessionCache { slots, sessions: FxHashMap::default(), evictions: 0, held: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Partitions of all sessions.
    pub(crate) fn partitions(&self) -> usize {
        self.sessions.values().map(|session| session.partitions.len()).sum()
    }

    /// Returns the number of sessions that made room for others.
    pub(crate) fn evictions(&self) -> u64 {
        self.evictions
    }

    /// Applies the session fields of a request and returns what to read.
    pub(crate) fn begin(
        &mut self,
        request: Metadata,
        asked: Vec<Ask>,
        forgotten: &[PartitionRef],
        now: Duration,
    ) -> Begun {
        if request.epoch == INITIAL_EPOCH || request.epoch == FINAL_EPOCH {
            self.remove(request.id);
            let asked = without_repetition(asked);
            return if request.epoch == FINAL_EPOCH { Begun::Sessionless(asked) } else { Begun::Full(asked) };
        }
        let Some(session) = self.sessions.get_mut(&request.id) else {
            return Begun::Refused(SessionFault::UnknownId);
        };
        if session.epoch != request.epoch {
            return Begun::Refused(SessionFault::WrongEpoch);
        }
        if session.naming != request.naming {
            return Begun::Refused(SessionFault::OtherNaming);
        }
        let before = session.partitions.weight();
        for (partition, wanted) in asked {
            session.partitions.set(partition, wanted);
        }
        for partition in forgotten {
            session.partitions.remove(partition);
        }
        let (weight, held) = (session.partitions.weight(), self.held);
        self.held = held - before + weight;
        if session.partitions.len() == 0 {
            self.remove(request.id);
            return Begun::Sessionless(Vec::new());
        }
        if weight > SESSION_PARTITIONS_MAX || (weight > before && self.held > SHARD_PARTITIONS_MAX) {
            self.remove(request.id);
            return Begun::Refused(SessionFault::UnknownId);
        }
        session.used = now;
        session.epoch = epoch_after(session.epoch);
        Begun::Incremental(
            session.partitions.iter().map(|(partition, wanted)| (partition.clone(), wanted)).collect(),
        )
    }

    /// Makes a session of a full fetch if there is a slot, and returns its id or [`NO_SESSION`].
    /// `random` chooses the id.
    pub(crate) fn create(
        &mut self,
        naming: Naming,
        read: &[(PartitionRef, WantedPartition, Read)],
        random: &mut impl FnMut() -> u64,
        now: Duration,
    ) -> i32 {
        let mut partitions = SessionPartitions::default();
        for (partition, wanted, read) in read {
            partitions.set(partition.clone(), *wanted);
            partitions.tell(partition, read.told);
        }
        let weight = partitions.weight();
        if weight > SESSION_PARTITIONS_MAX || self.held + weight > SHARD_PARTITIONS_MAX {
            return NO_SESSION;
        }
        if self.sessions.len() >= self.slots && !self.evict_for(read.len(), now) {
            return NO_SESSION;
        }
        let id = self.free_id(random);
        let session = FetchSession {
            id,
            epoch: epoch_after(INITIAL_EPOCH),
            naming,
            partitions,
            created: now,
            used: now,
        };
        self.held += weight;
        self.sessions.insert(id, session);
        id
    }

    /// Returns for each partition of an incremental fetch whether the response must name it: it has records,
    /// an error or a changed watermark. `epoch` is that of the request.
    pub(crate) fn select(
        &mut self,
        id: i32,
        epoch: i32,
        read: &[(PartitionRef, WantedPartition, Read)],
    ) -> Result<Vec<InResponse>, SessionFault> {
        let session = self.sessions.get_mut(&id).ok_or(SessionFault::UnknownId)?;
        if session.epoch != epoch_after(epoch) {
            return Err(SessionFault::WrongEpoch);
        }
        Ok(read.iter().map(|(partition, _, read)| session.select(partition, *read)).collect())
    }

    /// Removes a session that moves with its connection to another shard.
    pub(crate) fn remove(&mut self, id: i32) -> Option<FetchSession> {
        let session = self.sessions.remove(&id)?;
        self.held -= session.partitions.weight();
        Some(session)
    }

    /// Takes over a session of another shard. It is dropped if its id is taken or no slot is free. Its client
    /// then hears that it is unknown, and makes a new one.
    pub(crate) fn adopt(&mut self, session: FetchSession, now: Duration) {
        let weight = session.partitions.weight();
        let has_slot = self.sessions.len() < self.slots || self.evict_for(session.partitions.len(), now);
        let has_room = self.held + weight <= SHARD_PARTITIONS_MAX;
        if has_slot && has_room && !self.sessions.contains_key(&session.id) {
            self.held += weight;
            self.sessions.insert(session.id, FetchSession { created: now, used: now, ..session });
        }
    }

    /// Frees a slot for a session of `size` partitions: one that is stale,
    /// else an old one that is not larger.
    fn evict_for(&mut self, size: usize, now: Duration) -> bool {
        let age = |since: Duration| now.saturating_sub(since);
        let oldest = self.sessions.values().min_by_key(|session| (session.used, session.id));
        let stale = oldest.filter(|session| age(session.used) > EVICTION_AGE);
        let small = || {
            let old = self.sessions.values().filter(|session| age(session.created) > EVICTION_AGE);
            let smallest = old.min_by_key(|session| (session.partitions.len(), session.id));
            smallest.filter(|session| session.partitions.len() <= size)
        };
        let Some(id) = stale.or_else(small).map(FetchSession::id) else { return false };
        self.evictions += 1;
        self.remove(id).is_some()
    }

    fn free_id(&self, random: &mut impl FnMut() -> u64) -> i32 {
        loop {
            let id = (random() >> 33) as i32;
            if id != NO_SESSION && !self.sessions.contains_key(&id) {
                return id;
            }
        }
    }
}

/// Whether a response names a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InResponse {
    Yes,
    No,
}

impl FetchSession {
    fn select(&mut self, partition: &PartitionRef, read: Read) -> InResponse {
        let Some(before) = self.partitions.told(partition) else { return InResponse::Yes };
        let named = read.has_records || read.is_error || before != read.told;
        // After an error nothing is known, so the partition is named again when the error is gone.
        let high_watermark = if read.is_error { -1 } else { read.told.high_watermark };
        self.partitions.tell(partition, Told { high_watermark, ..read.told });
        if read.has_records {
            self.partitions.move_to_end(partition);
        }
        if named { InResponse::Yes } else { InResponse::No }
    }
}

/// Epochs run from 1 to 2^31-1 and begin again at 1.
fn epoch_after(epoch: i32) -> i32 {
    if epoch < 0 { FINAL_EPOCH } else { epoch.checked_add(1).unwrap_or(1) }
}

/// A partition that is requested twice keeps its first place and gets the last wish.
fn without_repetition(asked: Vec<Ask>) -> Vec<Ask> {
    let mut seen = FxHashSet::with_capacity_and_hasher(asked.len(), FxBuildHasher);
    if asked.iter().all(|(partition, _)| seen.insert(partition)) {
        return asked;
    }
    let mut partitions = SessionPartitions::default();
    for (partition, wanted) in asked {
        partitions.set(partition, wanted);
    }
    partitions.iter().map(|(partition, wanted)| (partition.clone(), wanted)).collect()
}
