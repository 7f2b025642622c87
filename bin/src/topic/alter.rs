//! `millrace topic alter`.

use std::collections::BTreeMap;

use millrace_client::{ClientError, Cluster, Effect};
use serde_json::json;

use super::arguments::TopicAlterArguments;
use crate::client::{Done, output};

pub(super) fn run(cluster: &mut Cluster, arguments: &TopicAlterArguments) -> Result<Done, ClientError> {
    let count = arguments.partitions;
    let counts: BTreeMap<String, i32> = arguments.topics.iter().map(|name| (name.clone(), count)).collect();
    let verb = if arguments.dry_run { "would have" } else { "has" };
    let mut done = Done::All;
    for (name, answer) in cluster.create_partitions(&counts, Effect::of_dry_run(arguments.dry_run))? {
        let refusal = answer.err().map(|refusal| format!("topic {name}: {refusal}"));
        let is_altered = refusal.is_none() && !arguments.dry_run;
        let object = json!({ "topic": name, "partitions": count, "altered": is_altered });
        let line = format!("topic {name} {verb} {count} partitions");
        done = done.and(output::tell(arguments.common.is_json(), &line, object, refusal.as_deref()));
    }
    Ok(done)
}
