//! Topics that are created because a client asked for their metadata.

use std::rc::Rc;

use millrace_core::meta::{NewTopic, TopicErrorKind};
use millrace_shard::ValidateOnly;
use tracing::{info, warn};

use crate::api::topics::new_topic_id;
use crate::host::Host;

/// Creates `names` in the background, with the broker's defaults.
pub(crate) fn create_in_background(host: &Rc<Host>, names: &[&str]) {
    let begun: Vec<String> =
        names.iter().filter(|name| host.creations.begin(name)).map(|&name| name.into()).collect();
    if !begun.is_empty() {
        let host = host.clone();
        millrace_rt::spawn(async move { create(&host, begun).await });
    }
}

/// Creates the topic unless it exists; until then its users are told to ask again.
pub(crate) async fn ensure(host: &Host, name: &str) {
    if host.shard.image().topic(name).is_none() && host.creations.begin(name) {
        create(host, vec![name.to_owned()]).await;
    }
}

async fn create(host: &Host, names: Vec<String>) {
    let image = host.shard.image();
    let topic = |name: &String| NewTopic::on_demand(name, new_topic_id(), &image, host.node.config());
    let results = host.shard.create_topics(names.iter().map(topic).collect(), ValidateOnly::No).await;
    for (name, result) in names.iter().zip(results) {
        match result {
            Ok(_) => info!(topic = %name, "created on demand"),
            // Another shard was asked for it at the same time.
            Err(error) if error.kind == TopicErrorKind::TopicExists => {}
            Err(error) => warn!(topic = %name, %error, "a topic could not be created on demand"),
        }
        host.creations.end(name);
    }
}
