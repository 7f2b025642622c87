//! Topics that are created because a client asked for their metadata.

use std::rc::Rc;

use millrace_core::meta::{NewTopic, TopicErrorKind};
use millrace_shard::ValidateOnly;
use tracing::{info, warn};

use crate::api::request::ids::new_topic_id;
use crate::shard_server::ShardServer;

/// Creates `names` in the background, with the broker's defaults.
pub(crate) fn create_in_background(server: &Rc<ShardServer>, names: &[&str]) {
    let begun: Vec<String> =
        names.iter().filter(|name| server.creations.begin(name)).map(|&name| name.into()).collect();
    if !begun.is_empty() {
        let server = server.clone();
        millrace_rt::spawn(async move { create(&server, begun).await });
    }
}

/// Creates the topic unless it exists. Until it exists clients are told to ask again.
pub(crate) async fn ensure(server: &ShardServer, name: &str) {
    if server.shard.image().topic(name).is_none() && server.creations.begin(name) {
        create(server, vec![name.to_owned()]).await;
    }
}

async fn create(server: &ShardServer, names: Vec<String>) {
    let image = server.shard.image();
    let topic = |name: &String| NewTopic::on_demand(name, new_topic_id(), &image, server.broker.config());
    let results = server.shard.create_topics(names.iter().map(topic).collect(), ValidateOnly::No).await;
    for (name, result) in names.iter().zip(results) {
        match result {
            Ok(_) => info!(topic = %name, "created on demand"),
            // Another shard was asked for it at the same time.
            Err(error) if error.kind == TopicErrorKind::TopicExists => {}
            Err(error) => warn!(topic = %name, %error, "a topic could not be created on demand"),
        }
        server.creations.end(name);
    }
}
