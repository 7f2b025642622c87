//! `millrace cluster health`.

use std::time::Duration;

use millrace_client::{ClientError, Cluster, Place};
use serde_json::json;

use super::arguments::HealthArguments;
use crate::client::{Done, Stopwatch, complain, output, sleep};

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(1);
/// So many partitions are named.
const NAMED_MAX: usize = 10;

/// What is wrong with a cluster.
#[derive(Default)]
struct Ailments {
    /// Brokers that are fenced or do not answer.
    silent: Vec<i32>,
    leaderless: Vec<Place>,
    under_replicated: Vec<Place>,
}

pub(super) fn run(cluster: &mut Cluster, arguments: &HealthArguments) -> Result<Done, ClientError> {
    let patience = Duration::from_secs(arguments.wait.unwrap_or(0).into());
    let watch = Stopwatch::start();
    let mut ailments = look(cluster)?;
    while !ailments.is_healthy() && watch.elapsed() < patience {
        complain(&ailments.text());
        sleep(PAUSE);
        ailments = look(cluster)?;
    }
    match arguments.common.is_json() {
        true => output::print(&output::lines(&[ailments.object()])),
        false => output::print(&format!("{}\n", ailments.text())),
    }
    Ok(if ailments.is_healthy() { Done::All } else { Done::NotAll })
}

fn look(cluster: &mut Cluster) -> Result<Ailments, ClientError> {
    let mut ailments = Ailments::default();
    for topic in cluster.all_topics()? {
        for partition in &topic.partitions {
            let place = Place::new(topic.name.as_str(), partition.index);
            if partition.leader.is_none() {
                ailments.leaderless.push(place);
            } else if partition.in_sync.len() < partition.replicas.len() {
                ailments.under_replicated.push(place);
            }
        }
    }
    for node in cluster.view()?.nodes {
        if node.is_fenced || cluster.greet(node.id).is_err() {
            ailments.silent.push(node.id);
        }
    }
    Ok(ailments)
}

impl Ailments {
    fn is_healthy(&self) -> bool {
        self.silent.is_empty() && self.leaderless.is_empty() && self.under_replicated.is_empty()
    }

    fn text(&self) -> String {
        let mut wrong = Vec::new();
        if !self.silent.is_empty() {
            wrong.push(format!("brokers that do not answer: {}", output::ids(&self.silent)));
        }
        for (what, places) in [("leader", &self.leaderless), ("full set of replicas", &self.under_replicated)]
        {
            if !places.is_empty() {
                wrong.push(format!("{} partition(s) without a {what}: {}", places.len(), named(places)));
            }
        }
        if wrong.is_empty() { "healthy".to_owned() } else { format!("unhealthy: {}", wrong.join("; ")) }
    }

    fn object(&self) -> serde_json::Value {
        let names = |places: &[Place]| places.iter().map(Place::to_string).collect::<Vec<_>>();
        json!({
            "healthy": self.is_healthy(), "silent_brokers": self.silent,
            "leaderless_partitions": names(&self.leaderless),
            "under_replicated_partitions": names(&self.under_replicated),
        })
    }
}

fn named(places: &[Place]) -> String {
    let names: Vec<String> = places.iter().take(NAMED_MAX).map(Place::to_string).collect();
    let more = if places.len() > NAMED_MAX { ", ..." } else { "" };
    format!("{}{more}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named() {
        let mut ailments = Ailments::default();
        assert!(ailments.is_healthy());
        assert_eq!(ailments.text(), "healthy");
        ailments.silent.push(2);
        ailments.leaderless = (0..12).map(|index| Place::new("t", index)).collect();
        assert!(!ailments.is_healthy());
        let text = ailments.text();
        assert!(text.starts_with(
            "unhealthy: brokers that do not answer: 2; 12 partition(s) without a leader: t-0, "
        ));
        assert!(text.ends_with("t-9, ..."), "{text}");
        assert_eq!(ailments.object()["leaderless_partitions"].as_array().map(Vec::len), Some(12));
    }
}
