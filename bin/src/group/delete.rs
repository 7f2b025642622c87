//! `millrace group delete`.

use millrace_client::{Cluster, Failure};
use serde_json::json;

use super::arguments::GroupDeleteArguments;
use crate::client::Done;
use crate::client::output;

/// Codes of the answer (`Errors.java`).
const NON_EMPTY_GROUP: i16 = 68;
const GROUP_ID_NOT_FOUND: i16 = 69;

pub(super) fn run(cluster: &mut Cluster, arguments: &GroupDeleteArguments) -> Result<Done, Failure> {
    let mut done = Done::All;
    for group in &arguments.groups {
        let refusal = match cluster.delete_group(group) {
            Ok(()) => None,
            Err(Failure::Answer { code: GROUP_ID_NOT_FOUND, .. }) => {
                Some(format!("there is no group {group}"))
            }
            Err(Failure::Answer { code: NON_EMPTY_GROUP, .. }) => {
                Some(format!("group {group} has members: stop them first"))
            }
            Err(refused @ Failure::Answer { .. }) => Some(refused.to_string()),
            Err(failure) => return Err(failure),
        };
        let object = json!({ "group": group, "deleted": refusal.is_none() });
        let line = format!("deleted {group}");
        done = done.and(output::tell(arguments.common.is_json(), &line, object, refusal.as_deref()));
    }
    Ok(done)
}
