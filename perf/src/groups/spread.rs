//! How many groups each shard coordinates, as the broker's metrics say it.

use super::population::{self, Desk};
use crate::broker::{free_address, samples, scrape};
use crate::error::ClientError;
use crate::measure::{Cell, Table, Verdict};
use crate::suite::Rig;

const GROUPS: usize = 1_000;
const SHARDS_MIN: u16 = 2;
/// Of an even part: 40 % of all groups with two shards.
const EVEN_SHARE: f64 = 0.8;
const COMMITS: &str = "millrace_group_commits_total";

pub(super) fn take(rig: &mut Rig) -> Result<(), ClientError> {
    let mut settings = rig.settings("spread")?;
    settings.shards = settings.shards.max(SHARDS_MIN);
    let admin = free_address()?;
    settings.arguments.extend(["--admin-listen".to_owned(), admin.to_string()]);
    let broker = population::start(&settings, 1)?;
    // One offset of each group: a shard has as many groups as commits.
    Desk::open(broker.address)?.commit(&population::named("group", GROUPS), 1)?;
    let hosted = samples(&scrape(admin)?, COMMITS);
    let mut table = Table::new(&["shard", "groups"]);
    for (shard, groups) in &hosted {
        table.row(vec![Cell::Text(shard.clone()), Cell::Number(*groups, 0)]);
    }
    rig.report.table(&table);
    let sum: f64 = hosted.iter().map(|(_, groups)| groups).sum();
    let verdict = Verdict::of(hosted.len() == usize::from(settings.shards) && sum as usize == GROUPS);
    let value = format!("{sum} on {} shards", hosted.len());
    let limit = format!("all {GROUPS} on {}", settings.shards);
    rig.report.verdict("groups that the shards host", verdict, &value, &limit);
    let least = hosted.iter().map(|(_, groups)| *groups).fold(f64::INFINITY, f64::min);
    let limit = EVEN_SHARE * 100.0 / f64::from(settings.shards);
    rig.report.at_least("groups of the shard with the fewest", least / sum * 100.0, limit, " %");
    broker.kill()
}
