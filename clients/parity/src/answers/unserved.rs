//! Cases of APIs that the broker does not serve yet: Kafka's answers wait for it,
//! and the score leaves them out.
use super::wanted::matches;

/// Case names, or beginnings of names that end in `*`.
pub(crate) struct Unserved(Vec<String>);

impl Unserved {
    /// One name in each line, behind which anything may follow; `#` begins a comment.
    pub(crate) fn parse(text: &str) -> Unserved {
        let names = text.lines().filter_map(|line| line.split('#').next()?.split_whitespace().next());
        Unserved(names.map(str::to_owned).collect())
    }

    pub(crate) fn none() -> Unserved {
        Unserved(Vec::new())
    }

    /// The line that names this case.
    pub(crate) fn line_of(&self, case: &str) -> Option<&str> {
        self.0.iter().map(String::as_str).find(|name| matches(name, case))
    }

    #[cfg(test)]
    pub(crate) fn lines(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_name_cases() {
        let unserved = Unserved::parse("# groups\njoin-*  # until they come\n\nsync\n");
        assert_eq!(unserved.line_of("join-new@3"), Some("join-*"));
        assert_eq!((unserved.line_of("sync"), unserved.line_of("sync-2")), (Some("sync"), None));
        assert_eq!(unserved.lines().count(), 2);
    }
}
