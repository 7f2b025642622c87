//! Profiles: clusters by name, in a file of the user's, one of them in use.
#![expect(clippy::disallowed_methods, reason = "the user's own file, read and written once by a command")]

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use millrace_client::ClientError;
use serde_json::{Value, json};

use super::arguments::ClusterArguments;

/// Where a broker listens that nobody configured.
const DEFAULT_BOOTSTRAP: &str = "127.0.0.1:9092";
/// Below the directory of the user's configuration.
const FILE: &str = "millrace/profiles.json";

/// One cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) bootstrap: String,
    pub(crate) description: String,
}

/// All of them, by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Profiles {
    pub(crate) current: Option<String>,
    pub(crate) by_name: BTreeMap<String, Profile>,
}

/// The brokers that the arguments mean: those they name, those of a profile, or those of this machine.
pub(super) fn bootstrap(arguments: &ClusterArguments) -> Result<String, ClientError> {
    if let Some(bootstrap) = &arguments.bootstrap {
        return Ok(bootstrap.clone());
    }
    let profiles = Profiles::load()?;
    let Some(name) = arguments.profile.as_ref().or(profiles.current.as_ref()) else {
        return Ok(DEFAULT_BOOTSTRAP.to_owned());
    };
    Ok(profiles.get(name)?.bootstrap.clone())
}

impl Profiles {
    /// None where there is no file.
    pub(crate) fn load() -> Result<Profiles, ClientError> {
        let Some(path) = path() else { return Ok(Profiles::default()) };
        match std::fs::read_to_string(&path) {
            Ok(text) => Profiles::read(&text)
                .ok_or_else(|| ClientError::Usage(format!("{} does not hold profiles", path.display()))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Profiles::default()),
            Err(error) => Err(ClientError::Usage(format!("cannot read {}: {error}", path.display()))),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Result<&Profile, ClientError> {
        let unknown =
            || ClientError::Usage(format!("there is no profile {name}; `millrace profile list` has them"));
        self.by_name.get(name).ok_or_else(unknown)
    }

    /// Replaces the file by a whole one.
    pub(crate) fn store(&self) -> Result<(), ClientError> {
        let path =
            path().ok_or_else(|| ClientError::Usage("neither XDG_CONFIG_HOME nor HOME is set".to_owned()))?;
        let written = write_whole(&path, &format!("{:#}\n", self.object()));
        written.map_err(|error| ClientError::Usage(format!("cannot write {}: {error}", path.display())))
    }

    fn object(&self) -> Value {
        let profile = |(name, profile): (&String, &Profile)| {
            let value = json!({ "bootstrap": profile.bootstrap, "description": profile.description });
            (name.clone(), value)
        };
        let profiles: serde_json::Map<String, Value> = self.by_name.iter().map(profile).collect();
        json!({ "current": self.current, "profiles": profiles })
    }

    fn read(text: &str) -> Option<Profiles> {
        let value: Value = serde_json::from_str(text).ok()?;
        let mut profiles =
            Profiles { current: value["current"].as_str().map(str::to_owned), by_name: BTreeMap::new() };
        for (name, profile) in value["profiles"].as_object()? {
            let description = profile["description"].as_str().unwrap_or_default().to_owned();
            let bootstrap = profile["bootstrap"].as_str()?.to_owned();
            profiles.by_name.insert(name.clone(), Profile { bootstrap, description });
        }
        Some(profiles)
    }
}

/// `$XDG_CONFIG_HOME/millrace/profiles.json`; by the standard of that variable,
/// a relative one does not count.
fn path() -> Option<PathBuf> {
    let directory = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let configuration = directory("XDG_CONFIG_HOME").or_else(|| Some(directory("HOME")?.join(".config")));
    configuration.map(|directory| directory.join(FILE))
}

/// A reader finds the old file or the new one.
fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    std::fs::write(&beside, text)?;
    std::fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_read_as_they_are_written() {
        let profile =
            |bootstrap: &str| Profile { bootstrap: bootstrap.to_owned(), description: "d".to_owned() };
        let by_name = [("a".to_owned(), profile("h:1")), ("b".to_owned(), profile("h:1,i:2"))].into();
        for current in [None, Some("b".to_owned())] {
            let profiles = Profiles { current, by_name: BTreeMap::clone(&by_name) };
            assert_eq!(Profiles::read(&profiles.object().to_string()), Some(profiles));
        }
        for wrong in ["", "{}", "[]", r#"{"profiles": {"a": {}}}"#, r#"{"profiles": 1}"#] {
            assert_eq!(Profiles::read(wrong), None, "{wrong}");
        }
    }
}
