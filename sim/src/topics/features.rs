//! The level of a feature that changes between the lives of topics: what was answered is there behind every
//! crash, with the epoch that clients go by.

use millrace_core::meta::{Feature, FeatureUpdate, FinalizedFeatures, UpgradeType};

use super::promise::Promise;

/// Of the features that can go back, too.
const FEATURE: Feature = Feature::GroupVersion;

/// The name whose lives change it: features are the cluster's, so one at a time does.
pub(crate) const CHANGED_BY: &str = "beta";

/// A level and the epoch that came with it.
type Level = (i16, i64);

/// What is known of the feature.
pub(crate) struct Features(Promise<Level>);

impl Default for Features {
    fn default() -> Features {
        Features(Promise::of(level_of(&FinalizedFeatures::default())))
    }
}

/// Every life has another level than the one before.
pub(crate) fn of_life(life: usize) -> i16 {
    i16::from(life % 2 == 1)
}

impl Features {
    /// The change to this level.
    pub(crate) fn ask(&mut self, level: i16) -> FeatureUpdate {
        let (current, epoch) = *self.0.answered();
        self.0.ask((level, epoch + i64::from(level != current)));
        let upgrade = if level < current { UpgradeType::SafeDowngrade } else { UpgradeType::Upgrade };
        FeatureUpdate { name: FEATURE.name().to_owned(), level, upgrade }
    }

    /// What was asked for last is answered.
    pub(crate) fn answer(&mut self) {
        self.0.answer();
    }

    /// Compares what a node has after a start with what was promised; answers what was not kept.
    pub(crate) fn audit(&mut self, found: &FinalizedFeatures) -> Option<String> {
        let (level, epoch) = level_of(found);
        let (answered, at) = self.0.audit((level, epoch)).err()?;
        let name = FEATURE.name();
        Some(format!("{name} is at level {level} in epoch {epoch}, and was set to {answered} in {at}"))
    }
}

fn level_of(features: &FinalizedFeatures) -> Level {
    (features.level(FEATURE), features.epoch())
}

#[cfg(test)]
mod tests {
    use millrace_core::meta::{MetadataImage, MetadataRecord};

    use super::*;

    /// Whether a node is told of that has this level and epoch, where level 0 was answered, in epoch 1,
    /// and `asked` was not.
    fn check(asked: Option<i16>, (level, epoch): Level, is_told: bool) {
        let mut features = Features::default();
        assert_eq!(features.ask(0).upgrade, UpgradeType::SafeDowngrade);
        features.answer();
        asked.into_iter().for_each(|level| drop(features.ask(level)));
        let mut image = MetadataImage::default();
        let levels = vec![(FEATURE.name().to_owned(), level)];
        image.apply(&MetadataRecord::Features { epoch, levels }).unwrap();
        assert_eq!(features.audit(image.features()).is_some(), is_told, "{level} in {epoch}");
        assert_eq!(features.audit(image.features()), None, "what is there is what counts from then on");
    }

    #[test]
    fn levels_are_held_to_what_was_answered() {
        check(None, (0, 1), false);
        check(None, (1, 0), true);
        check(None, (1, 2), true);
        check(None, (0, 2), true);
        check(Some(1), (0, 1), false);
        check(Some(1), (1, 2), false);
        // Half of a change: one without the other.
        check(Some(1), (1, 1), true);
        check(Some(1), (0, 2), true);
        // No change at all.
        check(Some(0), (0, 2), true);
    }
}
