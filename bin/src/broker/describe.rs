//! `millrace broker describe`.

use millrace_client::{ClientError, Cluster, LogDirectory, StoredLog};
use serde_json::{Value, json};

use super::arguments::BrokerDescribeArguments;
use crate::client::Done;
use crate::client::output::{self, Table, cell, word};

pub(super) fn run(cluster: &mut Cluster, arguments: &BrokerDescribeArguments) -> Result<Done, ClientError> {
    let directories = cluster.log_directories(arguments.broker)?;
    let failed = directories.iter().any(|directory| directory.refusal.is_some());
    match arguments.common.is_json() {
        true => {
            let objects: Vec<Value> = directories.iter().map(|it| object(it, arguments)).collect();
            output::print(&output::lines(&objects));
        }
        false => output::print(&text(&directories, arguments)),
    }
    Ok(if failed { Done::NotAll } else { Done::All })
}

fn text(directories: &[LogDirectory], arguments: &BrokerDescribeArguments) -> String {
    let mut table = Table::new(&["directory", "logs", "bytes", "total", "usable", "error"]);
    for directory in directories {
        table.add(vec![
            directory.path.clone(),
            directory.logs.len().to_string(),
            bytes(directory).to_string(),
            cell(directory.total_bytes),
            cell(directory.usable_bytes),
            word(&error(directory).unwrap_or_default()),
        ]);
    }
    let mut text = table.text();
    if arguments.logs {
        let mut table = Table::new(&["topic", "partition", "bytes", "lag", "directory"]);
        for directory in directories {
            for log in &directory.logs {
                let mut row = vec![log.place.topic.clone(), log.place.partition.to_string()];
                row.extend([log.bytes.to_string(), log.lag.to_string(), directory.path.clone()]);
                table.add(row);
            }
        }
        text.push('\n');
        text.push_str(&table.text());
    }
    text
}

fn object(directory: &LogDirectory, arguments: &BrokerDescribeArguments) -> Value {
    let log = |log: &StoredLog| {
        json!({
            "topic": log.place.topic, "partition": log.place.partition, "bytes": log.bytes, "lag": log.lag,
            "moving_here": log.is_moving_here,
        })
    };
    let mut object = json!({
        "broker": arguments.broker, "directory": directory.path, "logs": directory.logs.len(),
        "bytes": bytes(directory), "total": directory.total_bytes, "usable": directory.usable_bytes,
        "error": error(directory),
    });
    if arguments.logs {
        object["partitions"] = directory.logs.iter().map(log).collect();
    }
    object
}

fn bytes(directory: &LogDirectory) -> i64 {
    directory.logs.iter().map(|log| log.bytes).sum()
}

fn error(directory: &LogDirectory) -> Option<String> {
    directory.refusal.as_ref().map(ToString::to_string)
}
