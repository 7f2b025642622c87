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

async fn create(host: &Host, names: Vec<String>) {
    let topics = names.iter().map(|name| NewTopic::named(name, new_topic_id())).collect();
    let results = host.shard.create_topics(topics, ValidateOnly::No).await;
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
