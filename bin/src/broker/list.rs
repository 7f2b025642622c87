//! `millrace broker list`.

use millrace_client::{ClientError, Cluster};
use serde_json::json;

use super::arguments::BrokerListArguments;
use crate::client::Done;
use crate::client::output::{self, Table, cell, word};

pub(super) fn run(cluster: &mut Cluster, arguments: &BrokerListArguments) -> Result<Done, ClientError> {
    let view = cluster.view()?;
    let topics = cluster.all_topics()?;
    let partitions = || topics.iter().flat_map(|topic| &topic.partitions);
    let mut objects = Vec::new();
    let mut table = Table::new(&["broker", "address", "rack", "state", "leads", "replicas", "bytes"]);
    for node in &view.nodes {
        let leads = partitions().filter(|partition| partition.leader == Some(node.id)).count();
        let replicas = partitions().filter(|partition| partition.replicas.contains(&node.id)).count();
        let directories = cluster.log_directories(node.id);
        let state = match &directories {
            _ if node.is_fenced => "fenced",
            Err(ClientError::Io { .. }) => "silent",
            _ => "serving",
        };
        let bytes = directories.ok().map(|directories| {
            directories.iter().flat_map(|directory| &directory.logs).map(|log| log.bytes).sum::<i64>()
        });
        let mut object = output::node(node);
        object["state"] = json!(state);
        object["leads"] = json!(leads);
        object["replicas"] = json!(replicas);
        object["bytes"] = json!(bytes);
        objects.push(object);
        table.add(vec![
            node.id.to_string(),
            node.address(),
            word(node.rack.as_deref().unwrap_or_default()),
            state.to_owned(),
            leads.to_string(),
            replicas.to_string(),
            cell(bytes),
        ]);
    }
    let text = if arguments.common.is_json() { output::lines(&objects) } else { table.text() };
    output::print(&text);
    Ok(Done::All)
}
