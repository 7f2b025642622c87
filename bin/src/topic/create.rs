//! `millrace topic create`.

use std::collections::BTreeSet;

use millrace_client::{ClientError, Cluster, CreatedTopic, Effect, ErrorCode, NewTopic};
use serde_json::json;

use super::arguments::TopicCreateArguments;
use crate::client::{Done, output};

pub(super) fn run(cluster: &mut Cluster, arguments: &TopicCreateArguments) -> Result<Done, ClientError> {
    let topic = |name: &String| NewTopic {
        name: name.clone(),
        partitions: arguments.partitions,
        replication_factor: arguments.replication_factor,
        configs: arguments.configs.clone(),
    };
    let topics: Vec<NewTopic> = arguments.topics.iter().map(topic).collect();
    let answers = cluster.create_topics(&topics, Effect::of_dry_run(arguments.dry_run))?;
    if !arguments.dry_run {
        let created = answers.iter().filter(|(_, answer)| answer.is_ok());
        cluster.await_topics(&created.map(|(name, _)| name.clone()).collect::<BTreeSet<_>>())?;
    }
    let verb = if arguments.dry_run { "would create" } else { "created" };
    let mut done = Done::All;
    for (name, answer) in answers {
        let (created, line, refusal) = match answer {
            Ok(created) => {
                let line = format!("{verb} {name}{}", counts(&created));
                (Some(created), line, None)
            }
            Err(refusal) if arguments.if_not_exists && refusal.is(ErrorCode::TopicAlreadyExists) => {
                (None, format!("topic {name} exists already"), None)
            }
            Err(refusal) => (None, String::new(), Some(format!("topic {name}: {refusal}"))),
        };
        let object = json!({
            "topic": name, "created": created.is_some() && !arguments.dry_run,
            "partitions": created.as_ref().and_then(|it| it.partitions),
            "replication_factor": created.as_ref().and_then(|it| it.replication_factor),
        });
        done = done.and(output::tell(arguments.common.is_json(), &line, object, refusal.as_deref()));
    }
    Ok(done)
}

fn counts(created: &CreatedTopic) -> String {
    match (created.partitions, created.replication_factor) {
        (Some(partitions), Some(replicas)) => format!(": {partitions} partition(s), {replicas} replica(s)"),
        _ => String::new(),
    }
}
