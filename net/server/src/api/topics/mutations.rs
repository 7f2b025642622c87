//! Changes of topics by clients that have a rate of them (KIP-599).

use millrace_core::meta::{CreatedTopic, MetadataImage, MorePartitions, NewTopic, TopicError};
use millrace_shard::{Shard, ValidateOnly};

use crate::quota::Mutations;

/// Creates topics as far as the client's rate allows. Only topics that could be created count,
/// by their partitions.
pub(crate) async fn create_topics(
    shard: &Shard,
    topics: Vec<NewTopic>,
    mode: ValidateOnly,
    mutations: Mutations<'_>,
) -> Vec<Result<CreatedTopic, TopicError>> {
    if mutations.is_unlimited() {
        return shard.create_topics(topics, mode).await;
    }
    let checked = shard.create_topics(topics.clone(), ValidateOnly::Yes).await;
    let fates = checked.iter().map(|result| match result {
        Ok(created) => mutations.take(usize::try_from(created.partitions).unwrap_or(0)),
        // It is refused again, for the same reason.
        Err(_) => true,
    });
    let fates: Vec<bool> = fates.collect();
    let allowed = keep(topics, &fates);
    let results = match allowed.is_empty() {
        true => Vec::new(),
        false => shard.create_topics(allowed, mode).await,
    };
    with_refused(results, &fates)
}

/// The same for more partitions of topics.
pub(crate) async fn create_partitions(
    shard: &Shard,
    more: Vec<MorePartitions>,
    mode: ValidateOnly,
    mutations: Mutations<'_>,
) -> Vec<Result<(), TopicError>> {
    if mutations.is_unlimited() {
        return shard.create_partitions(more, mode).await;
    }
    let image = shard.image();
    let checked = shard.create_partitions(more.clone(), ValidateOnly::Yes).await;
    let fates = more.iter().zip(&checked).map(|(more, result)| match result {
        Ok(()) => mutations.take(partitions_added(&image, more)),
        Err(_) => true,
    });
    let fates: Vec<bool> = fates.collect();
    let allowed = keep(more, &fates);
    let results = match allowed.is_empty() {
        true => Vec::new(),
        false => shard.create_partitions(allowed, mode).await,
    };
    with_refused(results, &fates)
}

fn partitions_added(image: &MetadataImage, more: &MorePartitions) -> usize {
    let before = image.topic(&more.topic).map_or(0, |topic| topic.partitions.len());
    usize::try_from(more.count).unwrap_or(0).saturating_sub(before)
}

/// Returns the items that are to be carried out.
pub(crate) fn keep<T>(items: Vec<T>, fates: &[bool]) -> Vec<T> {
    items.into_iter().zip(fates).filter_map(|(item, allowed)| allowed.then_some(item)).collect()
}

/// Returns the results of the items that were carried out, and refusals in the places of the others.
pub(crate) fn with_refused<T>(
    results: Vec<Result<T, TopicError>>,
    fates: &[bool],
) -> Vec<Result<T, TopicError>> {
    let mut results = results.into_iter();
    let of_fate = |allowed: &bool| match allowed {
        true => results.next(),
        false => Some(Err(TopicError::quota_exceeded())),
    };
    fates.iter().filter_map(of_fate).collect()
}
