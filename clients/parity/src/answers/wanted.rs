//! The differences from Kafka that are wanted: a table in docs/compatibility.md.

/// Heading of the section that is read.
const HEADING: &str = "Parity differences";

/// Case names, or beginnings of names that end in `*`, each with its reason.
pub(crate) struct Wanted(Vec<(String, String)>);

impl Wanted {
    /// Reads rows of the form ``| `case` | reason |`` below the heading, up to the next heading.
    pub(crate) fn parse(document: &str) -> Wanted {
        let section = document
            .lines()
            .skip_while(|line| !(line.starts_with('#') && line.trim_start_matches('#').trim() == HEADING))
            .skip(1)
            .take_while(|line| !line.starts_with('#'));
        let row = |line: &str| {
            let (name, reason) = line.strip_prefix("| `")?.split_once("` |")?;
            Some((name.to_owned(), reason.trim().trim_end_matches('|').trim().to_owned()))
        };
        Wanted(section.filter_map(row).collect())
    }

    pub(crate) fn reason(&self, case: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| matches(name, case)).map(|(_, reason)| reason.as_str())
    }

    /// Listed names that no case of `differing` explains.
    pub(crate) fn stale<'a>(&'a self, differing: &'a [String]) -> impl Iterator<Item = &'a str> {
        let stale = |name: &&str| !differing.iter().any(|case| matches(name, case));
        self.0.iter().map(|(name, _)| name.as_str()).filter(stale)
    }
}

/// Whether a name, or the beginning of one in front of a `*`, means this case.
pub(super) fn matches(name: &str, case: &str) -> bool {
    name.strip_suffix('*').map_or(name == case, |start| case.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_the_section_are_read() {
        let wanted = Wanted::parse(
            "# Compatibility\n| `a` | no |\n## Parity differences\ntext\n| case | reason |\n|---|---|\n\
             | `b@*` | groups | come later |\n| `c` | why |\n## Next\n| `d` | no |\n",
        );
        assert_eq!(wanted.reason("b@4"), Some("groups | come later"));
        assert_eq!(wanted.reason("c"), Some("why"));
        assert_eq!((wanted.reason("a"), wanted.reason("d"), wanted.reason("c2")), (None, None, None));
        assert_eq!(wanted.stale(&["b@1".to_owned()]).collect::<Vec<_>>(), ["c"]);
    }
}
