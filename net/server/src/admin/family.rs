//! Metric families and their text, in the form that Prometheus reads (version 0.0.4).

use std::fmt::{Display, Write};

use millrace_core::base::measure::Distribution;

use crate::admin::scrape::Scrape;
use crate::metrics::labels::write_label;

/// What a metric's value does over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// One metric: its name, what it means, and how it is read from a scrape.
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Names of its labels, with commas between.
    pub(crate) labels: &'static str,
    pub(crate) help: &'static str,
    pub(crate) samples: fn(&Scrape, &mut SampleWriter<'_>),
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

impl Family {
    /// Writes the family's head and all its samples.
    pub(crate) fn write(&self, scrape: &Scrape, text: &mut String) {
        let Family { name, kind, help, .. } = self;
        line(text, format_args!("# HELP {name} {help}"));
        line(text, format_args!("# TYPE {name} {}", kind.name()));
        (self.samples)(scrape, &mut SampleWriter { name, text });
    }
}

/// Takes the samples of one family.
pub(crate) struct SampleWriter<'a> {
    name: &'static str,
    text: &'a mut String,
}

/// A label's name and value.
pub(crate) type Label<'a> = (&'static str, &'a dyn Display);

impl SampleWriter<'_> {
    pub(crate) fn add(&mut self, labels: &[Label<'_>], value: impl Display) {
        self.sample("", labels, value);
    }

    /// A histogram of nanoseconds, as seconds; a bucket for each power of two.
    pub(crate) fn seconds(&mut self, labels: &[Label<'_>], counts: &Distribution) {
        const NANOS: f64 = 1e9;
        self.histogram(labels, counts, |nanos| nanos as f64 / NANOS);
    }

    /// A histogram of bytes.
    pub(crate) fn bytes(&mut self, labels: &[Label<'_>], counts: &Distribution) {
        self.histogram(labels, counts, |bytes| bytes as f64);
    }

    fn histogram(&mut self, labels: &[Label<'_>], counts: &Distribution, unit: fn(u64) -> f64) {
        let count = counts.count();
        for (bound, below) in counts.below_powers() {
            self.bucket(labels, &unit(bound), below);
        }
        self.bucket(labels, &"+Inf", count);
        self.sample("_sum", labels, unit(counts.sum()));
        self.sample("_count", labels, count);
    }

    fn bucket(&mut self, labels: &[Label<'_>], bound: &dyn Display, below: u64) {
        let mut all = labels.to_vec();
        all.push(("le", bound));
        self.sample("_bucket", &all, below);
    }

    fn sample(&mut self, suffix: &str, labels: &[Label<'_>], value: impl Display) {
        self.text.push_str(self.name);
        self.text.push_str(suffix);
        for (number, (name, value)) in labels.iter().enumerate() {
            self.text.push(if number == 0 { '{' } else { ',' });
            write_label(self.text, name, &value.to_string());
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        line(self.text, format_args!(" {value}"));
    }
}

pub(crate) fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{arguments}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_core::base::measure::Histogram;

    fn text(samples: fn(&Scrape, &mut SampleWriter<'_>)) -> String {
        let family = Family { name: "a_metric", kind: Kind::Counter, labels: "", help: "Help.", samples };
        let mut text = String::new();
        family.write(&Scrape::default(), &mut text);
        text
    }

    #[test]
    fn samples_have_the_form_of_the_exposition_format() {
        let found = text(|_, samples| {
            samples.add(&[], 7);
            samples.add(&[("topic", &"a\"b\\c\nd"), ("n", &3)], 0.5);
        });
        let wanted = "# HELP a_metric Help.\n# TYPE a_metric counter\na_metric 7\n\
                      a_metric{topic=\"a\\\"b\\\\c\\nd\",n=\"3\"} 0.5\n";
        assert_eq!(found, wanted);
    }

    #[test]
    fn histograms_end_with_everything() {
        let found = text(|_, samples| {
            let histogram = Histogram::default();
            histogram.record(1500);
            samples.seconds(&[("stage", &"send")], &histogram.counts());
        });
        for line in [
            "a_metric_bucket{stage=\"send\",le=\"0.000001024\"} 0",
            "a_metric_bucket{stage=\"send\",le=\"0.000002048\"} 1",
            "a_metric_bucket{stage=\"send\",le=\"+Inf\"} 1",
            "a_metric_sum{stage=\"send\"} 0.0000015",
            "a_metric_count{stage=\"send\"} 1",
        ] {
            assert!(found.lines().any(|found| found == line), "{line}\n{found}");
        }
    }
}
