//! `millrace group delete`.

use millrace_client::{ClientError, Cluster, ErrorCode};
use serde_json::json;

use super::arguments::GroupDeleteArguments;
use crate::client::Done;
use crate::client::output;

pub(super) fn run(cluster: &mut Cluster, arguments: &GroupDeleteArguments) -> Result<Done, ClientError> {
    let mut done = Done::All;
    for group in &arguments.groups {
        let refusal = match cluster.delete_group(group) {
            Ok(()) => None,
            Err(ClientError::Refused { refusal, .. }) if refusal.is(ErrorCode::GroupIdNotFound) => {
                Some(format!("there is no group {group}"))
            }
            Err(ClientError::Refused { refusal, .. }) if refusal.is(ErrorCode::NonEmptyGroup) => {
                Some(format!("group {group} has members: stop them first"))
            }
            Err(refused @ ClientError::Refused { .. }) => Some(refused.to_string()),
            Err(error) => return Err(error),
        };
        let object = json!({ "group": group, "deleted": refusal.is_none() });
        let line = format!("deleted {group}");
        done = done.and(output::tell(arguments.common.is_json(), &line, object, refusal.as_deref()));
    }
    Ok(done)
}
