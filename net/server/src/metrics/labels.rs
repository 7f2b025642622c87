//! Labels of metrics, in the form that Prometheus reads.

/// Appends a label: its name, and its value between quotes.
pub(crate) fn write_label(text: &mut String, name: &str, value: &str) {
    text.push_str(name);
    text.push_str("=\"");
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
    text.push('"');
}

/// Appends a label to a list of labels.
pub(crate) fn add_label(labels: &mut String, name: &str, value: &str) {
    if !labels.is_empty() {
        labels.push(',');
    }
    write_label(labels, name, value);
}

/// Returns whether there is a label of this name. Within a value each quote has a backslash before it.
pub(crate) fn has_label(labels: &str, name: &str) -> bool {
    let start = format!("{name}=\"");
    labels.starts_with(&start) || labels.contains(&format!("\",{start}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_found_by_its_name_alone() {
        let mut labels = String::new();
        add_label(&mut labels, "a", "\",b=\"x\\");
        add_label(&mut labels, "bc", "1");
        assert_eq!(labels, r#"a="\",b=\"x\\",bc="1""#);
        for (name, has) in [("a", true), ("b", false), ("c", false), ("bc", true)] {
            assert_eq!(has_label(&labels, name), has, "{name}");
        }
    }
}
