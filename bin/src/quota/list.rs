//! `millrace quota list` and `millrace quota describe`.

use millrace_client::{ClientError, Cluster, EntityQuotas, QuotaEntity};
use serde_json::json;

use crate::client::Done;
use crate::client::output::{self, Table};

/// All quotas where no entity is named.
pub(super) fn run(cluster: &mut Cluster, of: &QuotaEntity, is_json: bool) -> Result<Done, ClientError> {
    let found = match cluster.quotas(of) {
        Ok(found) => found,
        Err(error) => {
            output::complain(&error.into_refusal()?.to_string());
            return Ok(Done::NotAll);
        }
    };
    if found.is_empty() && !of.is_empty() {
        output::complain(&format!("{} has no quota", text(of)));
        return Ok(Done::NotAll);
    }
    if is_json {
        let object = |it: &EntityQuotas| json!({ "entity": it.entity, "quotas": it.quotas });
        output::print(&output::lines(&found.iter().map(object).collect::<Vec<_>>()));
        return Ok(Done::All);
    }
    let mut table = Table::new(&["entity", "quota", "value"]);
    for EntityQuotas { entity, quotas } in &found {
        for (key, value) in quotas {
            table.add(vec![text(entity), key.clone(), value.to_string()]);
        }
    }
    output::print(&table.text());
    Ok(Done::All)
}

/// `client-id=app,user=<default>`.
pub(super) fn text(entity: &QuotaEntity) -> String {
    let part = |(kind, name): (&String, &Option<String>)| {
        format!("{kind}={}", name.as_deref().unwrap_or("<default>"))
    };
    entity.iter().map(part).collect::<Vec<_>>().join(",")
}
