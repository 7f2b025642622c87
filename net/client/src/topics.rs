//! Who leads the partitions of topics.

use std::collections::{BTreeMap, BTreeSet};

use millrace_wire::ErrorCode;

use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::metadata;

impl Cluster {
    /// The leader of each partition, by topic; topics that do not exist are not there.
    pub fn leaders(
        &mut self,
        topics: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, BTreeMap<i32, i32>>, Failure> {
        if topics.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut leaders = BTreeMap::new();
        for (name, code, partitions) in metadata::topics(self.any(), topics)? {
            if code == ErrorCode::UnknownTopicOrPartition.code() {
                continue;
            }
            Failure::check(&format!("a question for topic {name}"), code)?;
            leaders.insert(name, partitions);
        }
        Ok(leaders)
    }
}
