//! Opens a shard: replays the journals of the run before, builds the partitions, makes what was only
//! journaled durable in a new generation, and switches to it.
//!
//! Every start begins a new generation of journals; the old one is read only and stays valid until the
//! manifest names the new one. So a crash at any moment of a start leaves one whole generation,
//! whatever the number of shards was.

use std::sync::Arc;

use millrace_core::base::ids::ShardIndex;
use millrace_core::journal::{FrameSequence, Journal};
use millrace_rt::Seat;

use crate::api::OpenError;
use crate::compose::base::NewJournal;
use crate::compose::composed::Composed;
use crate::metadata::log::MetadataLog;
use crate::recovery::engine::{Engine, Facts};
use crate::recovery::journals::{make_journal, replay_old, switch};
use crate::recovery::prepare::{Prepared, prepare};
use crate::shard::Shard;

impl Engine {
    /// Opens this process's shard `seat`; all shards of the engine open together, each on its own core.
    /// Returns once this shard serves.
    pub async fn open(&self, seat: Seat) -> Result<Shard, OpenError> {
        let inner = &self.inner;
        let startup = &inner.startup;
        let mut metadata = None;
        if seat.shard == 0 {
            let prepared = prepare(inner).await;
            startup.publish(prepared.map(|Prepared { facts, metadata: log }| {
                metadata = Some(log);
                facts
            }));
        }
        let facts = startup.facts().await?;
        let index = ShardIndex(seat.shard);
        if let Err(error) = replay_old(inner, &facts, index).await {
            startup.fail(error);
        }
        startup.replayed.arrive().await;
        startup.check()?;
        let opened = self.build(&facts, index, metadata).await;
        if let Err(error) = &opened {
            startup.fail(error.clone());
        }
        startup.built.arrive().await;
        startup.check()?;
        let composed = opened?;
        if index.0 == 0 {
            switch(inner, &facts).await.inspect_err(|error| startup.fail(error.clone())).ok();
            startup.switched.open();
        }
        startup.switched.wait().await;
        startup.check()?;
        composed.space_watch.measure().await;
        Ok(composed.serve())
    }

    async fn build(
        &self,
        facts: &Arc<Facts>,
        index: ShardIndex,
        metadata: Option<MetadataLog>,
    ) -> Result<Composed, OpenError> {
        let geometry = self.inner.geometry()?;
        let (ring, slots) = make_journal(&self.inner, facts, index, &geometry).await?;
        let journal = Journal::new(index, facts.boot(), geometry);
        let composed = Composed::new(self, facts, index, NewJournal { journal, ring, slots }, metadata);
        composed.restorer.build_partitions(facts, &self.inner).await?;
        composed.run();
        composed.cleaner.make_durable(FrameSequence::NONE).await;
        // Appends may come from a shard that is open sooner. What the others need may not all be known yet.
        composed.space_watch.measure().await;
        Ok(composed)
    }
}
