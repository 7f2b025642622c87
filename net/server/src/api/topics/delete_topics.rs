//! DeleteTopics 1-6: by name, and by id from version 6.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use millrace_core::base::TopicId;
use millrace_core::meta::{MetadataImage, TopicError};
use millrace_wire::messages::delete_topics_request::DeleteTopicsRequest;
use millrace_wire::messages::delete_topics_response::{DeletableTopicResult, DeleteTopicsResponse};
use millrace_wire::{ErrorCode, Reader};

use crate::api::errors;
use crate::api::request::context::{Outcome, RequestContext, RequestFault};
use crate::api::request::ids::{topic_id, uuid};
use crate::api::request::yields::YieldCounter;
use crate::api::topics::mutations::{keep, with_refused};

/// First version with an error code of its own for a broker on which topics are not deleted.
const FIRST_WITH_DISABLED: i16 = 3;

/// First version with an error for a client that is over its rate of changes.
const FIRST_STRICT: i16 = 5;

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let version = context.version();
    let request = DeleteTopicsRequest::decode(&mut Reader::new(&context.body), version)?;
    let server = &context.server;
    let responses = if server.broker.config().delete_topics() {
        let mut sorted = SortedTopics::default();
        sorted.sort(&request, &server.shard.image()).await;
        let ids: Vec<TopicId> = sorted.delete.keys().copied().collect();
        let results = delete(&context, ids.clone()).await;
        for (id, result) in ids.into_iter().zip(results) {
            let name = sorted.delete.remove(&id);
            sorted.results.push(match result {
                Ok(()) => answered(name, id, ErrorCode::None, None),
                Err(error) => {
                    let code = errors::of_topic(error.kind);
                    answered(name, id, code, errors::topic_message(error).map(Cow::Owned))
                }
            });
        }
        sorted.results
    } else {
        let code = match version >= FIRST_WITH_DISABLED {
            true => ErrorCode::TopicDeletionDisabled,
            false => ErrorCode::InvalidRequest,
        };
        disabled(&request, code)
    };
    let response = DeleteTopicsResponse { responses, ..DeleteTopicsResponse::default() };
    context.respond(|writer, version| response.encode(writer, version))
}

/// Deletes topics, as far as the client's rate of changes allows.
async fn delete(context: &RequestContext, ids: Vec<TopicId>) -> Vec<Result<(), TopicError>> {
    let shard = &context.server.shard;
    let mutations = context.mutations(FIRST_STRICT);
    let image = shard.image();
    let partitions = |id: &TopicId| image.topic_by_id(*id).map_or(0, |topic| topic.partitions.len());
    let fates: Vec<bool> = ids.iter().map(|id| mutations.take(partitions(id))).collect();
    let allowed = keep(ids, &fates);
    let results = if allowed.is_empty() { Vec::new() } else { shard.delete_topics(allowed).await };
    with_refused(results, &fates)
}

fn disabled<'a>(request: &'a DeleteTopicsRequest<'_>, code: ErrorCode) -> Vec<DeletableTopicResult<'a>> {
    let names = request
        .topic_names
        .iter()
        .map(|name| answered(Some(name.as_ref().into()), TopicId::ZERO, code, None));
    let topics = request.topics.iter().map(|topic| {
        answered(topic.name.as_deref().map(Cow::Borrowed), topic_id(topic.topic_id), code, None)
    });
    names.chain(topics).collect()
}

fn answered<'a>(
    name: Option<Cow<'a, str>>,
    id: TopicId,
    code: ErrorCode,
    message: Option<Cow<'a, str>>,
) -> DeletableTopicResult<'a> {
    DeletableTopicResult { name, topic_id: uuid(id), error_code: code.code(), error_message: message }
}

/// A request sorted into topics to delete and refusals (`ControllerApis.deleteTopics`).
#[derive(Default)]
struct SortedTopics<'a> {
    delete: BTreeMap<TopicId, Cow<'a, str>>,
    results: Vec<DeletableTopicResult<'a>>,
}

impl<'a> SortedTopics<'a> {
    async fn sort(&mut self, request: &'a DeleteTopicsRequest<'_>, image: &MetadataImage) {
        let mut yields = YieldCounter::default();
        let mut names = Once::default();
        let mut ids = Once::default();
        request.topic_names.iter().for_each(|name| names.add(name.as_ref()));
        for topic in &request.topics {
            yields.step().await;
            let id = topic_id(topic.topic_id);
            match (topic.name.as_deref(), id == TopicId::ZERO) {
                (None, true) => self.refuse(None, id, "Neither topic name nor id were specified."),
                (None, false) => ids.add(id),
                (Some(name), true) => names.add(name),
                (Some(name), false) => {
                    self.refuse(Some(name), id, "You may not specify both topic name and topic id.");
                }
            }
        }
        names.twice.iter().for_each(|name| self.refuse(Some(name), TopicId::ZERO, "Duplicate topic name."));
        ids.twice.iter().for_each(|id| self.refuse(None, *id, "Duplicate topic id."));
        self.add_ids(ids.once, image);
        for name in names.once {
            yields.step().await;
            self.add_name(name, &ids.twice, image);
        }
    }

    fn add_ids(&mut self, ids: BTreeSet<TopicId>, image: &MetadataImage) {
        for id in ids {
            match image.topic_by_id(id) {
                Some(topic) => drop(self.delete.insert(id, Cow::Owned(topic.name.to_string()))),
                None => {
                    let code = ErrorCode::UnknownTopicId;
                    self.results.push(answered(None, id, code, Some(errors::generic_message(code).into())));
                }
            }
        }
    }

    fn add_name(&mut self, name: &'a str, ids_twice: &BTreeSet<TopicId>, image: &MetadataImage) {
        let Some(topic) = image.topic(name) else {
            let code = ErrorCode::UnknownTopicOrPartition;
            let message = errors::generic_message(code).into();
            self.results.push(answered(Some(name.into()), TopicId::ZERO, code, Some(message)));
            return;
        };
        if ids_twice.contains(&topic.id) || self.delete.insert(topic.id, Cow::Borrowed(name)).is_some() {
            self.delete.remove(&topic.id);
            self.refuse(
                Some(name),
                topic.id,
                "The provided topic name maps to an ID that was already supplied.",
            );
        }
    }

    fn refuse(&mut self, name: Option<&'a str>, id: TopicId, message: &'static str) {
        self.results.push(answered(
            name.map(Cow::Borrowed),
            id,
            ErrorCode::InvalidRequest,
            Some(message.into()),
        ));
    }
}

/// What was named once, and what was named more often.
struct Once<T> {
    once: BTreeSet<T>,
    twice: BTreeSet<T>,
}

impl<T> Default for Once<T> {
    fn default() -> Once<T> {
        Once { once: BTreeSet::new(), twice: BTreeSet::new() }
    }
}

impl<T: Ord + Copy> Once<T> {
    fn add(&mut self, named: T) {
        if self.twice.contains(&named) || !self.once.insert(named) {
            self.once.remove(&named);
            self.twice.insert(named);
        }
    }
}
