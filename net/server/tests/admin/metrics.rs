//! A scrape as the tests read it.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::http::get;

/// The samples of one scrape, each name with its labels, and its value.
pub(crate) struct Metrics {
    text: String,
}

impl Metrics {
    pub(crate) fn scrape(admin: SocketAddr) -> Metrics {
        let (code, text) = get(admin, "/metrics");
        assert_eq!(code, 200);
        Metrics { text }
    }

    /// The value of one sample, whose labels are given as they are served.
    pub(crate) fn value(&self, sample: &str) -> f64 {
        let found = self.samples().find(|(name, _)| *name == sample);
        found.unwrap_or_else(|| panic!("{sample} is not among\n{}", self.text)).1
    }

    /// The sum of a name over all its labels, or over those that hold the labels in brackets.
    pub(crate) fn sum(&self, sample: &str) -> f64 {
        let (name, labels) = sample.split_once('{').unwrap_or((sample, "}"));
        let labels = labels.strip_suffix('}').unwrap();
        let wanted = self.samples().filter(|(sample, _)| {
            let (its_name, its_labels) = sample.split_once('{').unwrap_or((sample, ""));
            its_name == name && its_labels.contains(labels)
        });
        wanted.map(|(_, value)| value).sum()
    }

    /// Name and type of every family.
    pub(crate) fn types(&self) -> BTreeSet<(String, String)> {
        let lines = self.text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        lines.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
    }

    fn samples(&self) -> impl Iterator<Item = (&str, f64)> {
        let lines = self.text.lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            (sample, value.parse().unwrap())
        })
    }
}
