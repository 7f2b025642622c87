//! `millrace config get`.

use millrace_client::{ClientError, Cluster, Setting, SettingSource};
use serde_json::json;

use super::arguments::GetArguments;
use crate::client::Done;
use crate::client::output::{self, NOTHING, Table};

pub(super) fn run(cluster: &mut Cluster, arguments: &GetArguments) -> Result<Done, ClientError> {
    let owner = &arguments.owner;
    let mut settings = match cluster.settings(&owner.resource()?, &arguments.keys) {
        Ok(settings) => settings,
        Err(error) => {
            output::complain(&format!("{}: {}", owner.text(), error.into_refusal()?));
            return Ok(Done::NotAll);
        }
    };
    let mut done = Done::All;
    for key in &arguments.keys {
        if !settings.iter().any(|setting| setting.key == *key) {
            output::complain(&format!("{} has no setting {key}", owner.text()));
            done = Done::NotAll;
        }
    }
    settings.retain(|setting| !arguments.changed || setting.source != SettingSource::Default);
    if owner.common.is_json() {
        let object = |setting: &Setting| {
            json!({
                "kind": owner.kind_name(), "name": owner.name, "key": setting.key, "value": setting.value,
                "source": setting.source.name(), "read_only": setting.is_read_only,
                "sensitive": setting.is_sensitive,
            })
        };
        output::print(&output::lines(&settings.iter().map(object).collect::<Vec<_>>()));
        return Ok(done);
    }
    let mut table = Table::new(&["key", "value", "source"]);
    for setting in settings {
        let value = setting.value.unwrap_or_else(|| NOTHING.to_owned());
        table.add(vec![setting.key, value, setting.source.name().to_owned()]);
    }
    output::print(&table.text());
    Ok(done)
}
