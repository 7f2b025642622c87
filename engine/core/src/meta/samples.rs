//! Random metadata for tests, drawn from a seed.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use super::log::MetadataEntry;
use super::quota::{EntityKind, QuotaEntity, QuotaKey, QuotaName, QuotaValue};
use super::record::{ConfigResource, Endpoint, MetadataRecord};
use crate::base::config::SecurityProtocol;
use crate::base::ids::{BrokerId, LeaderEpoch, PartitionIndex, ProducerId, TopicId};

pub(super) struct Samples(Xoshiro256PlusPlus);

impl Samples {
    pub(super) fn new(seed: u64) -> Samples {
        Samples(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0.next_u64() % limit
    }

    pub(super) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.0.next_u64() as u8).collect()
    }

    fn text(&mut self) -> String {
        let length = self.below(12);
        (0..length).map(|_| char::from_u32(0x20 + self.below(0x300) as u32).unwrap_or('?')).collect()
    }

    fn optional_text(&mut self) -> Option<String> {
        if self.below(2) == 0 { None } else { Some(self.text()) }
    }

    fn brokers(&mut self) -> Vec<BrokerId> {
        (0..self.below(4)).map(|_| BrokerId(self.below(9) as i32)).collect()
    }

    fn topic_id(&mut self) -> TopicId {
        TopicId((u128::from(self.0.next_u64()) << 64 | 7).to_be_bytes())
    }

    fn quota_entity(&mut self) -> QuotaEntity {
        let name = if self.below(2) == 0 { QuotaName::Default } else { QuotaName::Named(self.text()) };
        match self.below(4) {
            0 => QuotaEntity::default().with(EntityKind::Ip, name),
            1 => QuotaEntity::default().with(EntityKind::User, name),
            2 => QuotaEntity::default().with(EntityKind::ClientId, name),
            _ => {
                let user = QuotaEntity::default().with(EntityKind::User, QuotaName::Default);
                user.with(EntityKind::ClientId, name)
            }
        }
    }

    pub(super) fn record(&mut self) -> MetadataRecord {
        match self.below(9) {
            0 => MetadataRecord::Cluster { cluster_id: self.text() },
            1 => MetadataRecord::Broker {
                id: BrokerId(self.below(9) as i32),
                rack: self.optional_text(),
                endpoints: (0..self.below(3))
                    .map(|_| Endpoint {
                        name: self.text(),
                        host: self.text(),
                        port: self.below(65_536) as u16,
                        protocol: SecurityProtocol::from_code(self.below(4) as i16).unwrap(),
                    })
                    .collect(),
            },
            2 => MetadataRecord::Topic { id: self.topic_id(), name: self.text() },
            3 => MetadataRecord::Partition {
                topic: self.topic_id(),
                index: PartitionIndex(self.below(1 << 31) as i32),
                replicas: self.brokers(),
                isr: self.brokers(),
                leader: BrokerId(self.below(9) as i32 - 1),
                leader_epoch: LeaderEpoch(self.below(1 << 31) as i32),
            },
            4 => MetadataRecord::RemoveTopic { id: self.topic_id() },
            5 => MetadataRecord::Config {
                resource: match self.below(5) {
                    0 => ConfigResource::Topic(self.text()),
                    1 => ConfigResource::Broker(BrokerId(self.below(9) as i32)),
                    2 => ConfigResource::Group(self.text()),
                    3 => ConfigResource::ClientMetrics(self.text()),
                    _ => ConfigResource::BrokerDefault,
                },
                key: self.text(),
                value: self.optional_text(),
            },
            6 => MetadataRecord::ClientQuota {
                entity: self.quota_entity(),
                key: QuotaKey::ALL[self.below(5) as usize],
                value: (self.below(3) > 0).then(|| QuotaValue::new(self.below(1 << 40) as f64)),
            },
            7 => MetadataRecord::Features {
                epoch: self.below(9) as i64,
                levels: (0..self.below(3)).map(|_| (self.text(), self.below(9) as i16)).collect(),
            },
            _ => MetadataRecord::ProducerIds { next: ProducerId(self.0.next_u64() as i64) },
        }
    }

    /// Entries of one log. Each write of one to three entries vouches for all writes before it.
    pub(super) fn entries(&mut self, count: usize) -> Vec<MetadataEntry> {
        let mut entries: Vec<MetadataEntry> = Vec::new();
        let first = 1 + self.below(1000);
        let mut hard_index = 0;
        let mut left_in_write = 0;
        for index in (first..).take(count) {
            if left_in_write == 0 {
                hard_index = index - 1;
                left_in_write = 1 + self.below(3);
            }
            left_in_write -= 1;
            let records = (0..self.below(5)).map(|_| self.record()).collect();
            entries.push(MetadataEntry { epoch: self.below(9) as i32, index, hard_index, records });
        }
        entries
    }
}
