//! `millrace quota alter`.

use std::collections::BTreeMap;

use millrace_client::{ClientError, Cluster, Effect};
use serde_json::json;

use super::arguments::QuotaAlterArguments;
use super::list::text;
use crate::client::{Done, output};

pub(super) fn run(cluster: &mut Cluster, arguments: &QuotaAlterArguments) -> Result<Done, ClientError> {
    let entity = arguments.entity.entity()?;
    let set = arguments.set.iter().map(|(key, value)| (key.clone(), Some(*value)));
    let mut changes: BTreeMap<String, Option<f64>> = set.collect();
    for key in &arguments.unset {
        if changes.insert(key.clone(), None).flatten().is_some() {
            return Err(ClientError::Usage(format!("{key} is both set and unset")));
        }
    }
    let refusal = match cluster.change_quotas(&entity, &changes, Effect::of_dry_run(arguments.dry_run)) {
        Ok(()) => None,
        Err(error) => Some(format!("{}: {}", text(&entity), error.into_refusal()?)),
    };
    let keys: Vec<&str> = changes.keys().map(String::as_str).collect();
    let object = json!({
        "entity": entity, "keys": keys, "changed": refusal.is_none() && !arguments.dry_run,
    });
    let verb = if arguments.dry_run { "would change" } else { "changed" };
    let line = format!("{verb} {} of {}", keys.join(", "), text(&entity));
    Ok(output::tell(arguments.common.is_json(), &line, object, refusal.as_deref()))
}
