//! `millrace dev`: a broker for development, without configuration.

use std::net::SocketAddr;

use millrace_core::base::config::{Properties, listen_on};
use millrace_server::BoundListener;

use crate::cli::DevArguments;
use crate::exit::Failure;
use crate::run;

/// Small enough to run beside everything else on a developer's machine.
const MEMORY: &str = "256MiB";
const DATA_DIR: &str = "./millrace-data";
const HOST: &str = "127.0.0.1";
const PORT: u16 = 9092;

pub(crate) fn run(arguments: &DevArguments) -> Result<(), Failure> {
    let mut properties = Properties::default();
    listen_on(&mut properties, HOST, PORT);
    properties.set("log.dirs", DATA_DIR);
    properties.set("millrace.memory", MEMORY);
    run::run(properties, &arguments.common, Some(Box::new(greet)))
}

/// Says where the broker listens and what to type next.
#[expect(clippy::print_stdout, reason = "what a user of `dev` reads, apart from the logs")]
fn greet(listeners: &[BoundListener], admin: Option<SocketAddr>) {
    let Some(listener) = listeners.first() else { return };
    let address = &listener.address;
    println!(
        "Millrace listens on {address}.

Produce:  printf 'hello\\nworld\\n' | kcat -b {address} -P -t demo
Consume:  kcat -b {address} -C -t demo -o beginning -e

Python (pip install confluent-kafka):
  from confluent_kafka import Producer, Consumer, TopicPartition
  producer = Producer({{'bootstrap.servers': '{address}'}})
  producer.produce('demo', 'hello'); producer.flush()
  consumer = Consumer({{'bootstrap.servers': '{address}', 'group.id': 'demo', 'enable.auto.commit': False}})
  consumer.assign([TopicPartition('demo', 0, 0)]); print(consumer.poll(5).value())

Ctrl-C stops it."
    );
    if let Some(admin) = admin {
        println!("\nMetrics:  curl http://{admin}/metrics");
    }
}
