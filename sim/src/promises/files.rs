//! After a clean stop the segment files hold the logs: exactly their bytes, hard on the device.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;
use std::rc::Rc;

use millrace_rt::world::{NodeId, World};

use super::ledger::PromiseLedger;

/// Where every simulated node keeps its data.
pub(crate) const DATA_DIR: &str = "/var/data";

/// What the device holds of each partition's log, by the name of its directory.
pub(crate) fn durable_logs(world: &World, node: NodeId) -> BTreeMap<String, Vec<u8>> {
    let topics = Path::new(DATA_DIR).join("topics");
    let mut logs: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for path in world.files(node) {
        let is_segment =
            path.starts_with(&topics) && path.extension().is_some_and(|extension| extension == "log");
        let Some(dir) = path.parent().and_then(Path::file_name).filter(|_| is_segment) else { continue };
        // In the order of their names segments follow one another.
        let durable = world.durable_file(node, &path).unwrap_or_default();
        match logs.entry(dir.to_string_lossy().into_owned()) {
            Entry::Vacant(log) => drop(log.insert_entry(durable)),
            Entry::Occupied(mut log) => log.get_mut().extend(durable),
        }
    }
    logs
}

/// Compares the durable segment files with the logs as they were last read.
pub(crate) fn compare_files(world: &World, node: NodeId, ledger: &mut PromiseLedger) {
    let workload = Rc::clone(&ledger.workload);
    let mut files = durable_logs(world, node);
    let PromiseLedger { audited, verdict, .. } = ledger;
    for (topic, key) in workload.keys() {
        let name = format!("{}-{}", topic.name, key.partition);
        let stored = files.remove(&name).unwrap_or_default();
        let log = audited.get(&key).map(Vec::as_slice).unwrap_or_default();
        if stored != log {
            let same = stored.iter().zip(log).take_while(|(one, other)| one == other).count();
            let (stored, log) = (stored.len(), log.len());
            verdict.violations.push(format!(
                "{name}: after a clean stop its files hold {stored} bytes, its log {log}; they differ from {same} on"
            ));
        }
    }
}
