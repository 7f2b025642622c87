//! The command line of `millrace quota`.

use clap::{Args, Subcommand, ValueEnum};
use millrace_client::{ClientError, QuotaEntity};

use crate::client::{CommonArguments, read_setting};

#[derive(Debug, Args)]
pub(crate) struct QuotaArguments {
    #[command(subcommand)]
    pub(crate) command: QuotaCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum QuotaCommand {
    /// All quotas.
    List(QuotaListArguments),
    /// The quotas of exactly this user, client, address, or user with client.
    Describe(QuotaDescribeArguments),
    /// Sets quotas and takes them back: all of those named, or none.
    Alter(QuotaAlterArguments),
}

#[derive(Debug, Args)]
pub(crate) struct QuotaListArguments {
    #[command(flatten)]
    pub(crate) common: CommonArguments,
}

/// Whom quotas are for.
#[derive(Debug, Args)]
pub(crate) struct EntityArguments {
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    #[arg(long, value_name = "NAME")]
    pub(crate) client_id: Option<String>,
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) ip: Option<String>,
    /// Whoever of this kind has no quota of its own; may be repeated.
    #[arg(long = "default", value_enum, value_name = "KIND")]
    pub(crate) defaults: Vec<QuotaKindArgument>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum QuotaKindArgument {
    User,
    ClientId,
    Ip,
}

#[derive(Debug, Args)]
pub(crate) struct QuotaDescribeArguments {
    #[command(flatten)]
    pub(crate) entity: EntityArguments,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
}

#[derive(Debug, Args)]
pub(crate) struct QuotaAlterArguments {
    #[command(flatten)]
    pub(crate) entity: EntityArguments,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
    /// producer_byte_rate, consumer_byte_rate (bytes a second), request_percentage (of a thread's time),
    /// controller_mutation_rate (partitions a second), or with --ip connection_creation_rate (a second);
    /// may be repeated.
    #[arg(long = "set", value_name = "KEY=NUMBER", required_unless_present = "unset")]
    #[arg(value_parser = read_quota)]
    pub(crate) set: Vec<(String, f64)>,
    /// Take a quota back; may be repeated.
    #[arg(long = "unset", value_name = "KEY")]
    pub(crate) unset: Vec<String>,
    /// Only ask the broker whether it would.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

impl EntityArguments {
    pub(super) fn entity(&self) -> Result<QuotaEntity, ClientError> {
        let named = [("user", &self.user), ("client-id", &self.client_id), ("ip", &self.ip)];
        let named = named.into_iter().filter(|(_, name)| name.is_some());
        let mut entity: QuotaEntity = named.map(|(kind, name)| (kind.to_owned(), name.clone())).collect();
        for kind in &self.defaults {
            let kind = match kind {
                QuotaKindArgument::User => "user",
                QuotaKindArgument::ClientId => "client-id",
                QuotaKindArgument::Ip => "ip",
            };
            if entity.insert(kind.to_owned(), None).is_some() {
                return Err(ClientError::Usage(format!(
                    "--default {kind} and a {kind} by name exclude each other"
                )));
            }
        }
        match entity.is_empty() {
            true => {
                Err(ClientError::Usage("name whom: --user, --client-id, --ip, or --default KIND".to_owned()))
            }
            false => Ok(entity),
        }
    }
}

fn read_quota(text: &str) -> Result<(String, f64), String> {
    let (key, value) = read_setting(text)?;
    let number = value.parse::<f64>().ok().filter(|number| number.is_finite());
    number.map(|number| (key, number)).ok_or_else(|| format!("{value} is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_numbers() {
        assert_eq!(read_quota("a=1048576"), Ok(("a".to_owned(), 1_048_576.0)));
        for wrong in ["a=", "a=x", "a=inf", "a=NaN", "=1", "a"] {
            assert!(read_quota(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn entities_have_names_or_are_defaults() {
        let of = |user: Option<&str>, defaults: Vec<QuotaKindArgument>| EntityArguments {
            user: user.map(str::to_owned),
            client_id: None,
            ip: None,
            defaults,
        };
        let entity = of(Some("u"), vec![QuotaKindArgument::ClientId]).entity().unwrap();
        assert_eq!(
            entity.into_iter().collect::<Vec<_>>(),
            [("client-id".to_owned(), None), ("user".to_owned(), Some("u".to_owned()))]
        );
        assert!(of(Some("u"), vec![QuotaKindArgument::User]).entity().is_err());
        assert!(of(None, vec![]).entity().is_err());
    }
}
