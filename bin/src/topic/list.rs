//! `millrace topic list`.

use millrace_client::{ClientError, Cluster};
use serde_json::json;

use super::arguments::TopicListArguments;
use crate::client::{Done, Table, output};

pub(super) fn run(cluster: &mut Cluster, arguments: &TopicListArguments) -> Result<Done, ClientError> {
    let mut topics = cluster.all_topics()?;
    topics.retain(|topic| arguments.internal || !topic.is_internal);
    if arguments.common.is_json() {
        let objects: Vec<_> = topics
            .iter()
            .map(|topic| {
                json!({
                    "topic": topic.name, "partitions": topic.partitions.len(), "replicas": topic.replicas(),
                    "internal": topic.is_internal,
                })
            })
            .collect();
        output::print(&output::lines(&objects));
        return Ok(Done::All);
    }
    let mut table = Table::new(&["topic", "partitions", "replicas"]);
    for topic in &topics {
        let counts = [topic.partitions.len(), topic.replicas()].map(|count| count.to_string());
        table.add([vec![topic.name.clone()], counts.into()].concat());
    }
    output::print(&table.text());
    Ok(Done::All)
}
