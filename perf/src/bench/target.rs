//! The topic under load: found or created, with the leaders of its partitions;
//! deleted at the end if it was created.

use std::net::SocketAddr;

use super::options::BenchOptions;
use crate::broker::{Process, listener_of};
use crate::client::{
    Connection, NewTopic, create_topics, delete_topics, introduce, leaders, log_ranges, resolve,
};
use crate::clock;
use crate::error::ClientError;

/// A topic of a broker that answers.
pub(super) struct Target {
    pub(super) address: SocketAddr,
    pub(super) topic: String,
    /// Of each partition.
    pub(super) leaders: Vec<SocketAddr>,
    /// The broker's, if it runs on this machine.
    pub(super) process: Option<Process>,
    pub(super) connection: Connection,
    made: Made,
}

/// Whose topic it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    Here,
    Before,
}

impl Target {
    /// The topic that the options name, created if it does not exist; without a name a topic of this run.
    pub(super) fn find(options: &BenchOptions) -> Result<Target, ClientError> {
        let address = resolve(&options.bootstrap)?;
        let mut connection = introduce(address).map_err(ClientError::of(&options.bootstrap))?;
        let process = options.pid.map(|id| Process { id }).or_else(|| listener_of(address));
        let own = || format!("millrace-bench-{}", clock::wall_ms());
        let topic = options.topic.clone().unwrap_or_else(own);
        let known = match &options.topic {
            Some(name) => leaders(&mut connection, address, name)?,
            None => None,
        };
        let (leaders, made) = match known {
            Some(leaders) => (leaders, Made::Before),
            None if options.consume => {
                let text = "--consume needs a topic that exists; name one with --topic".to_owned();
                return Err(ClientError::Usage(text));
            }
            None => (create(&mut connection, address, &topic, options)?, Made::Here),
        };
        Ok(Target { address, topic, leaders, process, connection, made })
    }

    /// The first offset and the end of each partition.
    pub(super) fn ranges(&mut self) -> Result<Vec<(i64, i64)>, ClientError> {
        let partitions = i32::try_from(self.leaders.len()).unwrap_or(i32::MAX);
        log_ranges(&mut self.connection, &self.topic, partitions)
    }

    /// Deletes the topic if nobody named it.
    pub(super) fn leave(mut self, options: &BenchOptions) -> Result<(), ClientError> {
        match (self.made, &options.topic) {
            (Made::Here, None) => delete_topics(&mut self.connection, &[&self.topic]),
            _ => Ok(()),
        }
    }
}

fn create(
    connection: &mut Connection,
    address: SocketAddr,
    topic: &str,
    options: &BenchOptions,
) -> Result<Vec<SocketAddr>, ClientError> {
    let mut new = NewTopic::new(topic, options.partitions);
    new.replication_factor = Some(options.replication_factor);
    new.configs.clone_from(&options.topic_config);
    create_topics(connection, &[new])?;
    let found = leaders(connection, address, topic)?;
    found.ok_or_else(|| ClientError::Broker(format!("{topic} was created, and the broker does not know it")))
}
