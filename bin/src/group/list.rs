//! `millrace group list`.

use millrace_client::{ClientError, Cluster};
use serde_json::json;

use super::arguments::GroupListArguments;
use crate::client::Done;
use crate::client::output::{self, Table, word};

pub(super) fn run(cluster: &mut Cluster, arguments: &GroupListArguments) -> Result<Done, ClientError> {
    let states: Vec<String> = arguments.states.iter().map(|state| state.name().to_owned()).collect();
    let kinds: Vec<String> = arguments.kinds.iter().map(|kind| kind.name().to_owned()).collect();
    let groups = cluster.groups(&states, &kinds)?;
    if arguments.common.is_json() {
        let objects: Vec<_> = groups
            .iter()
            .map(|group| {
                json!({
                    "group": group.id, "type": group.kind, "protocol_type": group.protocol_type,
                    "state": group.state,
                })
            })
            .collect();
        output::print(&output::lines(&objects));
        return Ok(Done::All);
    }
    let mut table = Table::new(&["group", "type", "protocol", "state"]);
    for group in &groups {
        let cells = [&group.id, &group.kind, &group.protocol_type, &group.state];
        table.add(cells.map(|text| word(text)).into());
    }
    output::print(&table.text());
    Ok(Done::All)
}
