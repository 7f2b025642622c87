//! `millrace config set` and `millrace config unset`.

use millrace_client::{ClientError, Cluster, Effect, SettingChange};
use serde_json::json;

use super::arguments::OwnerArguments;
use crate::client::{Done, output};

pub(super) fn run(
    cluster: &mut Cluster,
    owner: &OwnerArguments,
    changes: &[SettingChange],
    is_dry_run: bool,
) -> Result<Done, ClientError> {
    let refusal = match cluster.change_settings(&owner.resource()?, changes, Effect::of_dry_run(is_dry_run)) {
        Ok(()) => None,
        Err(error) => Some(format!("{}: {}", owner.text(), error.into_refusal()?)),
    };
    let keys: Vec<&str> = changes.iter().map(|change| change.key.as_str()).collect();
    let object = json!({
        "kind": owner.kind_name(), "name": owner.name, "keys": keys,
        "changed": refusal.is_none() && !is_dry_run,
    });
    let verb = if is_dry_run { "would change" } else { "changed" };
    let line = format!("{verb} {} of {}", keys.join(", "), owner.text());
    Ok(output::tell(owner.common.is_json(), &line, object, refusal.as_deref()))
}
