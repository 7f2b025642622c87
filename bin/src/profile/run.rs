//! Each command of `millrace profile`.

use std::process::ExitCode;

use millrace_client::ClientError;
use serde_json::json;

use super::arguments::{ProfileArguments, ProfileCommand, ProfileCreateArguments, ProfileListArguments};
use crate::client::output::{self, Table, word};
use crate::client::{Done, Profile, Profiles, finish};

pub(crate) fn run(arguments: &ProfileArguments) -> ExitCode {
    finish(match &arguments.command {
        ProfileCommand::List(arguments) => list(arguments),
        ProfileCommand::Create(arguments) => create(arguments),
        ProfileCommand::Use(arguments) => choose(&arguments.name),
        ProfileCommand::Delete(arguments) => delete(&arguments.name),
    })
}

fn list(arguments: &ProfileListArguments) -> Result<Done, ClientError> {
    let profiles = Profiles::load()?;
    let is_current = |name: &String| profiles.current.as_ref() == Some(name);
    if arguments.output.is_json() {
        let object = |(name, profile): (&String, &Profile)| {
            json!({
                "profile": name, "bootstrap": profile.bootstrap, "description": profile.description,
                "current": is_current(name),
            })
        };
        output::print(&output::lines(&profiles.by_name.iter().map(object).collect::<Vec<_>>()));
        return Ok(Done::All);
    }
    let mut table = Table::new(&["profile", "bootstrap", "description"]);
    for (name, profile) in &profiles.by_name {
        let star = if is_current(name) { "*" } else { "" };
        table.add(vec![format!("{name}{star}"), profile.bootstrap.clone(), word(&profile.description)]);
    }
    output::print(&table.text());
    Ok(Done::All)
}

fn create(arguments: &ProfileCreateArguments) -> Result<Done, ClientError> {
    let mut profiles = Profiles::load()?;
    let ProfileCreateArguments { name, bootstrap, description } = arguments;
    let profile = Profile { bootstrap: bootstrap.clone(), description: description.clone() };
    profiles.by_name.insert(name.clone(), profile);
    profiles.current.get_or_insert_with(|| name.clone());
    profiles.store()?;
    Ok(Done::All)
}

fn choose(name: &str) -> Result<Done, ClientError> {
    let mut profiles = Profiles::load()?;
    profiles.get(name)?;
    profiles.current = Some(name.to_owned());
    profiles.store().map(|()| Done::All)
}

fn delete(name: &str) -> Result<Done, ClientError> {
    let mut profiles = Profiles::load()?;
    profiles.get(name)?;
    profiles.by_name.remove(name);
    profiles.current.take_if(|current| current == name);
    profiles.store().map(|()| Done::All)
}
