//! The loggers of the process: the modules that log, and those around them.

/// By name; a test holds them to the sources.
pub(crate) const LOGGERS: &[&str] = &[
    "millrace",
    "millrace::log_output",
    "millrace::run",
    "millrace::service",
    "millrace::signals",
    "millrace_rt",
    "millrace_rt::failure",
    "millrace_server",
    "millrace_server::admin",
    "millrace_server::admin::thread",
    "millrace_server::api",
    "millrace_server::api::records",
    "millrace_server::api::records::produce",
    "millrace_server::api::topics",
    "millrace_server::api::topics::creation",
    "millrace_server::broker",
    "millrace_server::broker::address_counts",
    "millrace_server::quota",
    "millrace_server::quota::addresses",
    "millrace_server::serve",
    "millrace_server::serve::broker",
    "millrace_server::serve::listen",
    "millrace_server::serve::reader",
    "millrace_server::serve::shard",
    "millrace_server::shard_server",
    "millrace_server::shard_server::upkeep",
    "millrace_shard",
    "millrace_shard::append",
    "millrace_shard::append::extent",
    "millrace_shard::append::last_block",
    "millrace_shard::checkpoint",
    "millrace_shard::checkpoint::cleaning",
    "millrace_shard::checkpoint::index_store",
    "millrace_shard::checkpoint::noted_start",
    "millrace_shard::checkpoint::writer",
    "millrace_shard::compaction",
    "millrace_shard::compaction::cleaned_notes",
    "millrace_shard::compaction::compacted_file",
    "millrace_shard::compaction::log_compactor",
    "millrace_shard::device",
    "millrace_shard::device::space",
    "millrace_shard::files",
    "millrace_shard::files::batches",
    "millrace_shard::files::deleting",
    "millrace_shard::files::indexing",
    "millrace_shard::files::loading",
    "millrace_shard::files::read",
    "millrace_shard::files::segment_files",
    "millrace_shard::files::space_watch",
    "millrace_shard::flush",
    "millrace_shard::flush::tail_flusher",
    "millrace_shard::groups",
    "millrace_shard::groups::loading",
    "millrace_shard::groups::writing",
    "millrace_shard::metadata",
    "millrace_shard::metadata::changes",
    "millrace_shard::metadata::first_files",
    "millrace_shard::metadata::removal",
    "millrace_shard::partition",
    "millrace_shard::partition::producer_upkeep",
    "millrace_shard::recovery",
    "millrace_shard::recovery::close",
    "millrace_shard::recovery::journals",
    "millrace_shard::recovery::prepare",
    "millrace_shard::recovery::rebuild",
    "millrace_shard::recovery::rings",
    "millrace_shard::retention",
    "millrace_shard::retention::retaining",
];

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods)]

    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Crates whose code a broker runs, and their sources seen from here.
    const CRATES: [(&str, &str); 6] = [
        ("millrace", "src"),
        ("millrace_core", "../engine/core/src"),
        ("millrace_rt", "../engine/rt/src"),
        ("millrace_server", "../net/server/src"),
        ("millrace_shard", "../engine/shard/src"),
        ("millrace_wire", "../net/wire/src"),
    ];

    /// The modules below `folder` that log.
    fn find(folder: &Path, module: &str, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_str().unwrap();
            if path.is_dir() {
                find(&path, &format!("{module}::{stem}"), found);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\n").next().unwrap();
            let logs =
                code.lines().any(|line| line.starts_with("use tracing::") || line.contains(" tracing::"));
            match stem {
                _ if !logs => {}
                "lib" | "main" | "mod" => drop(found.insert(module.to_owned())),
                _ => drop(found.insert(format!("{module}::{stem}"))),
            }
        }
    }

    #[test]
    fn every_module_that_logs_is_a_logger() {
        let mut found = BTreeSet::new();
        for (name, sources) in CRATES {
            find(&Path::new(env!("CARGO_MANIFEST_DIR")).join(sources), name, &mut found);
        }
        let mut expected = found.clone();
        for mut module in found.iter().map(String::as_str) {
            while let Some((around, _)) = module.rsplit_once("::") {
                expected.insert(around.to_owned());
                module = around;
            }
        }
        let expected: Vec<String> = expected.into_iter().collect();
        let lines: String = expected.iter().map(|name| format!("    {name:?},\n")).collect();
        assert!(LOGGERS == expected, "LOGGERS is to be\n{lines}");
    }
}
