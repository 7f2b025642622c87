//! `millrace cluster info`.

use millrace_client::{ClientError, Cluster, Node};
use serde_json::json;

use super::arguments::ViewArguments;
use crate::client::Done;
use crate::client::output::{self, Table, cell, word};

pub(super) fn run(cluster: &mut Cluster, arguments: &ViewArguments) -> Result<Done, ClientError> {
    let view = cluster.view()?;
    let topics = cluster.all_topics()?;
    let partitions: usize = topics.iter().map(|topic| topic.partitions.len()).sum();
    if arguments.common.is_json() {
        let object = json!({
            "cluster": view.id, "controller": view.controller,
            "brokers": view.nodes.iter().map(output::node).collect::<Vec<_>>(),
            "topics": topics.len(), "partitions": partitions,
        });
        output::print(&output::lines(&[object]));
        return Ok(Done::All);
    }
    let mut text = format!(
        "cluster {}: controller {}, {} broker(s), {} topic(s), {partitions} partition(s)\n\n",
        word(view.id.as_deref().unwrap_or_default()),
        cell(view.controller.map(i64::from)),
        view.nodes.len(),
        topics.len()
    );
    let mut table = Table::new(&["broker", "address", "rack"]);
    let rack = |node: &Node| word(node.rack.as_deref().unwrap_or_default());
    for node in &view.nodes {
        table.add(vec![node.id.to_string(), node.address(), rack(node)]);
    }
    text.push_str(&table.text());
    output::print(&text);
    Ok(Done::All)
}
