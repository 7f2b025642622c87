//! Features (KIP-584): which of them the cluster uses at what level, and changes of their levels.
//!
//! Order of checks and messages are those of Kafka's controller (`FeatureControlManager`).

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use thiserror::Error;

use super::record::MetadataRecord;
use crate::base::ids::BrokerId;

/// A feature that works whole here, with the levels of Kafka 4.3.1. Features gate clients,
/// so others are not named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature {
    /// At level 1 groups of the consumer protocol are served (KIP-848).
    GroupVersion,
    /// The format of Kafka's metadata records, by which clients tell releases apart.
    MetadataVersion,
}

impl Feature {
    pub const ALL: [Feature; 2] = [Feature::GroupVersion, Feature::MetadataVersion];

    pub fn name(self) -> &'static str {
        match self {
            Feature::GroupVersion => "group.version",
            Feature::MetadataVersion => "metadata.version",
        }
    }

    /// The levels that a cluster may use it at.
    pub fn levels(self) -> RangeInclusive<i16> {
        match self {
            Feature::GroupVersion => 0..=1,
            Feature::MetadataVersion => 7..=30,
        }
    }

    fn named(name: &str) -> Option<Feature> {
        Feature::ALL.into_iter().find(|feature| feature.name() == name)
    }
}

/// Features of Kafka 4.3.1 that do not work here: at level 0 a cluster uses none of them.
const NOT_SUPPORTED: [&str; 5] = [
    "eligible.leader.replicas.version",
    "kraft.version",
    "share.version",
    "streams.version",
    "transaction.version",
];

/// The level at which a cluster does not use a feature.
const UNUSED: i16 = 0;

/// Levels that no cluster of this release uses; its log comes from a newer one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("feature {name} is used at level {level}, which this release does not support")]
pub struct UnsupportedLevel {
    pub name: String,
    pub level: i16,
}

/// The level of each feature, finalized for the whole cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalizedFeatures {
    levels: BTreeMap<Feature, i16>,
    epoch: i64,
}

/// What a cluster has whose log says nothing of features.
impl Default for FinalizedFeatures {
    fn default() -> FinalizedFeatures {
        let levels = Feature::ALL.into_iter().map(|feature| (feature, *feature.levels().end()));
        FinalizedFeatures { levels: levels.collect(), epoch: 0 }
    }
}

impl FinalizedFeatures {
    /// The levels that a record names; what it does not name is not used.
    pub(super) fn of_record(
        epoch: i64,
        named: &[(String, i16)],
    ) -> Result<FinalizedFeatures, UnsupportedLevel> {
        let mut levels: BTreeMap<Feature, i16> = Feature::ALL.map(|feature| (feature, UNUSED)).into();
        for (name, level) in named {
            let known = Feature::named(name).filter(|feature| feature.levels().contains(level));
            let feature = known.ok_or_else(|| UnsupportedLevel { name: name.clone(), level: *level })?;
            levels.insert(feature, *level);
        }
        Ok(FinalizedFeatures { levels, epoch })
    }

    pub(super) fn record(&self) -> MetadataRecord {
        let levels = self.used().map(|(feature, level)| (feature.name().to_owned(), level));
        MetadataRecord::Features { epoch: self.epoch, levels: levels.collect() }
    }

    pub fn level(&self, feature: Feature) -> i16 {
        self.levels.get(&feature).copied().unwrap_or(UNUSED)
    }

    /// The features that the cluster uses, with their levels.
    pub fn used(&self) -> impl Iterator<Item = (Feature, i16)> {
        self.levels.iter().map(|(feature, level)| (*feature, *level)).filter(|(_, level)| *level > UNUSED)
    }

    /// How often levels have changed. Clients take the levels of the highest epoch they see.
    pub fn epoch(&self) -> i64 {
        self.epoch
    }
}

/// In which direction a client says that it changes a level (`FeatureUpdate.UpgradeType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpgradeType {
    Upgrade,
    SafeDowngrade,
    UnsafeDowngrade,
    Unknown,
}

impl UpgradeType {
    pub fn from_code(code: i8) -> UpgradeType {
        match code {
            1 => UpgradeType::Upgrade,
            2 => UpgradeType::SafeDowngrade,
            3 => UpgradeType::UnsafeDowngrade,
            _ => UpgradeType::Unknown,
        }
    }
}

/// A level that a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureUpdate {
    pub name: String,
    pub level: i16,
    pub upgrade: UpgradeType,
}

/// Why no feature changes, in Kafka's words.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FeatureError {
    /// One of them is refused, and so are all.
    #[error("The update failed for all features since the following feature had an error: {0}")]
    InvalidLevel(String),
    /// The change could not be stored.
    #[error("{0}")]
    Storage(String),
}

/// Checks a request to change levels; the records that carry it out, none where nothing changes. What is
/// named twice has the level that is named last.
///
/// `controller` is whom the messages name. Of several refused features the answer names one.
pub fn update_features(
    before: &FinalizedFeatures,
    updates: &[FeatureUpdate],
    controller: BrokerId,
) -> Result<Vec<MetadataRecord>, FeatureError> {
    let mut after = before.clone();
    for FeatureUpdate { name, level, upgrade } in in_kafkas_order(updates) {
        let refuse = |reason: String| {
            FeatureError::InvalidLevel(format!("Invalid update version {level} for feature {name}. {reason}"))
        };
        let feature = Feature::named(name);
        let current = feature.map_or(UNUSED, |feature| before.level(feature));
        check_level(name, *level, current, *upgrade, controller).map_err(refuse)?;
        if feature == Some(Feature::MetadataVersion) && *level < current {
            return Err(lower_metadata_version(current, *level, *upgrade));
        }
        if let Some(feature) = feature {
            after.levels.insert(feature, *level);
        }
    }
    if after == *before {
        return Ok(Vec::new());
    }
    after.epoch += 1;
    Ok(vec![after.record()])
}

/// The last update of each feature, in the order in which Kafka's hash map has them: by bucket, and in one
/// bucket in the order of the request.
fn in_kafkas_order(updates: &[FeatureUpdate]) -> Vec<&FeatureUpdate> {
    /// What a map of Java begins with; it doubles when three quarters are full.
    const BUCKETS_LEAST: usize = 16;
    let mut seen: BTreeMap<&str, (usize, &FeatureUpdate)> = BTreeMap::new();
    for (at, update) in updates.iter().enumerate() {
        seen.entry(&update.name).or_insert((at, update)).1 = update;
    }
    let buckets = (seen.len() * 4).div_ceil(3).next_power_of_two().max(BUCKETS_LEAST);
    let hash = |name: &str| {
        let hash =
            name.encode_utf16().fold(0u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
        (hash ^ (hash >> 16)) as usize % buckets
    };
    let mut last: Vec<(usize, &FeatureUpdate)> = seen.into_values().collect();
    last.sort_by_key(|(at, update)| (hash(&update.name), *at));
    last.into_iter().map(|(_, update)| update).collect()
}

fn check_level(
    name: &str,
    level: i16,
    current: i16,
    upgrade: UpgradeType,
    controller: BrokerId,
) -> Result<(), String> {
    if upgrade == UpgradeType::Unknown {
        return Err("The controller does not support the given upgrade type.".to_owned());
    }
    if level < UNUSED {
        return Err("A feature version cannot be less than 0.".to_owned());
    }
    match Feature::named(name).map(Feature::levels) {
        Some(levels) if !levels.contains(&level) => {
            let (min, max) = (levels.start(), levels.end());
            return Err(format!("Local controller {controller} only supports versions {min}-{max}"));
        }
        None if level != UNUSED => {
            return Err(format!("Local controller {controller} does not support this feature."));
        }
        None if !NOT_SUPPORTED.contains(&name) => return Err(format!("Feature {name} not found.")),
        _ => {}
    }
    if level < current && upgrade == UpgradeType::Upgrade {
        return Err(
            "Can't downgrade the version of this feature without setting the upgrade type to either \
                    safe or unsafe downgrade."
                .to_owned(),
        );
    }
    if level > current && upgrade != UpgradeType::Upgrade {
        return Err("Can't downgrade to a newer version.".to_owned());
    }
    Ok(())
}

/// Records of Kafka's newest version mean more than those of any before, so that none goes back.
fn lower_metadata_version(current: i16, level: i16, upgrade: UpgradeType) -> FeatureError {
    let reason = match upgrade {
        UpgradeType::UnsafeDowngrade => "Unsafe metadata downgrade is not supported in this version.",
        _ => "Refusing to perform the requested downgrade because it might delete metadata information.",
    };
    FeatureError::InvalidLevel(format!(
        "Unsupported metadata.version downgrade from {current} to {level}. {reason}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "name:level[:type] ..."; a level is raised where no type is given.
    fn asked(text: &str) -> Vec<FeatureUpdate> {
        let update = |word: &str| {
            let mut parts = word.split(':');
            FeatureUpdate {
                name: parts.next().unwrap().to_owned(),
                level: parts.next().unwrap().parse().unwrap(),
                upgrade: UpgradeType::from_code(parts.next().map_or(1, |code| code.parse().unwrap())),
            }
        };
        text.split_whitespace().map(update).collect()
    }

    /// Requests one after another, and what each comes to: the epoch and the levels that are used then,
    /// or Kafka's refusal.
    const REQUESTS: &str = "
        | 0 group.version 1, metadata.version 30
        group.version:1 metadata.version:30 | 0 group.version 1, metadata.version 30
        group.version:0 | Invalid update version 0 for feature group.version. Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade.
        group.version:0:2 no.such:1 | Invalid update version 1 for feature no.such. Local controller 7 does not support this feature.
        group.version:0:2 | 1 metadata.version 30
        group.version:0 | 1 metadata.version 30
        group.version:1:3 | Invalid update version 1 for feature group.version. Can't downgrade to a newer version.
        group.version:1:0 | Invalid update version 1 for feature group.version. The controller does not support the given upgrade type.
        group.version:2 group.version:1 | 2 group.version 1, metadata.version 30
        group.version:-1 | Invalid update version -1 for feature group.version. A feature version cannot be less than 0.
        metadata.version:31 group.version:2 | Invalid update version 2 for feature group.version. Local controller 7 only supports versions 0-1
        no.such.feature:1 group.version:2 | Invalid update version 1 for feature no.such.feature. Local controller 7 does not support this feature.
        group.version:2 no.such.feature:1 | Invalid update version 2 for feature group.version. Local controller 7 only supports versions 0-1
        b:2 a:1 | Invalid update version 1 for feature a. Local controller 7 does not support this feature.
        group.version:2 metadata.version:31 | Invalid update version 2 for feature group.version. Local controller 7 only supports versions 0-1
        metadata.version:31 | Invalid update version 31 for feature metadata.version. Local controller 7 only supports versions 7-30
        metadata.version:29 | Invalid update version 29 for feature metadata.version. Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade.
        metadata.version:29:2 | Unsupported metadata.version downgrade from 30 to 29. Refusing to perform the requested downgrade because it might delete metadata information.
        metadata.version:7:3 | Unsupported metadata.version downgrade from 30 to 7. Unsafe metadata downgrade is not supported in this version.
        no.such:0 | Invalid update version 0 for feature no.such. Feature no.such not found.
        share.version:0 kraft.version:0:3 | 2 group.version 1, metadata.version 30
        transaction.version:2 | Invalid update version 2 for feature transaction.version. Local controller 7 does not support this feature.
        group.version:0:3 | 3 metadata.version 30";

    #[test]
    fn levels_change_or_are_refused_as_kafka_does() {
        let mut features = FinalizedFeatures::default();
        for line in REQUESTS.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (request, expected) = line.split_once('|').unwrap();
            let answer = match update_features(&features, &asked(request), BrokerId(7)) {
                Ok(records) => {
                    for record in records {
                        let MetadataRecord::Features { epoch, levels } = record else { panic!("{record:?}") };
                        features = FinalizedFeatures::of_record(epoch, &levels).unwrap();
                    }
                    let used: Vec<String> =
                        features.used().map(|(it, level)| format!("{} {level}", it.name())).collect();
                    format!("{} {}", features.epoch(), used.join(", "))
                }
                Err(FeatureError::InvalidLevel(reason)) => reason,
                Err(FeatureError::Storage(_)) => panic!("nothing is stored"),
            };
            assert_eq!(answer, expected.trim(), "{request}");
        }
        assert_eq!(features.level(Feature::GroupVersion), 0);
    }

    #[test]
    fn levels_of_a_newer_release_are_refused() {
        for (name, level) in [("share.version", 1), ("group.version", 2), ("metadata.version", 6)] {
            let fault = FinalizedFeatures::of_record(1, &[(name.to_owned(), level)]).unwrap_err();
            let expected =
                format!("feature {name} is used at level {level}, which this release does not support");
            assert_eq!(fault.to_string(), expected);
        }
    }
}
