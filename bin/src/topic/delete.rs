//! `millrace topic delete`.

use millrace_client::{ClientError, Cluster, ErrorCode};
use serde_json::json;

use super::arguments::TopicDeleteArguments;
use crate::client::{Done, output};

pub(super) fn run(cluster: &mut Cluster, arguments: &TopicDeleteArguments) -> Result<Done, ClientError> {
    let mut done = Done::All;
    for (name, answer) in cluster.delete_topics(&arguments.topics)? {
        let is_deleted = answer.is_ok();
        let (line, refusal) = match answer {
            Ok(()) => (format!("deleted {name}"), None),
            Err(refusal) if refusal.is(ErrorCode::UnknownTopicOrPartition) => {
                let text = format!("there is no topic {name}");
                if arguments.if_exists { (text, None) } else { (String::new(), Some(text)) }
            }
            Err(refusal) => (String::new(), Some(format!("topic {name}: {refusal}"))),
        };
        let object = json!({ "topic": name, "deleted": is_deleted });
        done = done.and(output::tell(arguments.common.is_json(), &line, object, refusal.as_deref()));
    }
    Ok(done)
}
