//! `millrace topic describe`.

use std::collections::BTreeSet;

use millrace_client::{
    ClientError, Cluster, ErrorCode, Place, Refusal, Resource, Setting, SettingSource, Topic,
};
use millrace_core::base::TopicId;
use serde_json::{Value, json};

use super::arguments::TopicDescribeArguments;
use crate::client::output::{self, NOTHING, Table, cell};
use crate::client::{Done, Logs};

pub(super) fn run(cluster: &mut Cluster, arguments: &TopicDescribeArguments) -> Result<Done, ClientError> {
    let names: BTreeSet<String> = arguments.topics.iter().cloned().collect();
    let mut done = Done::All;
    let mut is_first = true;
    for (name, seen) in cluster.describe_topics(&names)? {
        let topic = match seen {
            Ok(topic) => topic,
            Err(refusal) => {
                output::complain(&unknown(&name, &refusal));
                done = Done::NotAll;
                continue;
            }
        };
        let places = topic.partitions.iter().map(|it| Place::new(name.as_str(), it.index)).collect();
        let logs = Logs::read(cluster, &places, &[])?;
        let settings = match cluster.settings(&Resource::Topic(name.clone()), &[]) {
            Ok(settings) => settings.into_iter().filter(|it| it.source != SettingSource::Default).collect(),
            Err(error) => {
                output::complain(&format!("settings of topic {name}: {}", error.into_refusal()?));
                done = Done::NotAll;
                Vec::new()
            }
        };
        match arguments.common.is_json() {
            true => output::print(&output::lines(&[object(&topic, &settings, &logs)])),
            false if is_first => output::print(&text(&topic, &settings, &logs)),
            false => output::print(&format!("\n{}", text(&topic, &settings, &logs))),
        }
        is_first = false;
    }
    Ok(done)
}

fn unknown(name: &str, refusal: &Refusal) -> String {
    match refusal.is(ErrorCode::UnknownTopicOrPartition) {
        true => format!("there is no topic {name}"),
        false => format!("topic {name}: {refusal}"),
    }
}

fn id(topic: &Topic) -> Option<String> {
    (topic.id != [0; 16]).then(|| TopicId(topic.id).to_string())
}

fn text(topic: &Topic, settings: &[Setting], logs: &Logs) -> String {
    let mut text = format!(
        "topic {}: id {}, {} partition(s), {} replica(s){}\n",
        topic.name,
        id(topic).unwrap_or_else(|| NOTHING.to_owned()),
        topic.partitions.len(),
        topic.replicas(),
        if topic.is_internal { ", internal" } else { "" }
    );
    if !settings.is_empty() {
        let mut table = Table::new(&["key", "value", "source"]);
        for setting in settings {
            let value = setting.value.clone().unwrap_or_else(|| NOTHING.to_owned());
            table.add(vec![setting.key.clone(), value, setting.source.name().to_owned()]);
        }
        text.push('\n');
        text.push_str(&table.text());
    }
    let heading = ["partition", "leader", "epoch", "replicas", "in-sync", "offline", "start", "end"];
    let mut table = Table::new(&heading);
    for partition in &topic.partitions {
        let range = logs.range(&Place::new(topic.name.as_str(), partition.index));
        table.add(vec![
            partition.index.to_string(),
            cell(partition.leader.map(i64::from)),
            cell(partition.leader_epoch.map(i64::from)),
            output::ids(&partition.replicas),
            output::ids(&partition.in_sync),
            output::ids(&partition.offline),
            cell(range.map(|(start, _)| start)),
            cell(range.map(|(_, end)| end)),
        ]);
    }
    text.push('\n');
    text.push_str(&table.text());
    text
}

fn object(topic: &Topic, settings: &[Setting], logs: &Logs) -> Value {
    let setting = |setting: &Setting| {
        let source = setting.source.name();
        json!({ "key": setting.key, "value": setting.value, "source": source })
    };
    let partition = |partition: &millrace_client::Partition| {
        let range = logs.range(&Place::new(topic.name.as_str(), partition.index));
        json!({
            "partition": partition.index, "leader": partition.leader, "leader_epoch": partition.leader_epoch,
            "replicas": partition.replicas, "in_sync": partition.in_sync, "offline": partition.offline,
            "start": range.map(|(start, _)| start), "end": range.map(|(_, end)| end),
        })
    };
    json!({
        "topic": topic.name, "id": id(topic), "internal": topic.is_internal,
        "settings": settings.iter().map(setting).collect::<Vec<_>>(),
        "partitions": topic.partitions.iter().map(partition).collect::<Vec<_>>(),
    })
}
