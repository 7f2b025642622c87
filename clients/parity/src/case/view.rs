//! What part of an answer a case compares, and in which order where Kafka's own is accidental.
use super::Path;
use serde_json::Value;

#[derive(Clone, Debug)]
pub(crate) enum View {
    /// Sorts a list by a member of its elements.
    Sort { list: Path, by: String },
    /// Keeps the elements of a list whose member is one of these values.
    Only { list: Path, by: String, values: Value },
    /// Hides a value.
    Ignore { path: Path },
}

impl View {
    /// The view with variables replaced by `resolve`.
    pub(crate) fn with_values<E>(&self, resolve: impl Fn(&Value) -> Result<Value, E>) -> Result<View, E> {
        let mut view = self.clone();
        if let View::Only { values, .. } = &mut view {
            *values = resolve(values)?;
        }
        Ok(view)
    }

    pub(crate) fn apply(&self, answer: &mut Value) {
        match self {
            View::Sort { list, by } => list.change(answer, &mut |value| {
                if let Value::Array(elements) = value {
                    elements.sort_by_key(|element| sort_key(element.get(by).unwrap_or(element)));
                }
            }),
            View::Only { list, by, values } => list.change(answer, &mut |value| {
                if let (Value::Array(elements), Value::Array(wanted)) = (value, values) {
                    elements.retain(|e| e.get(by).is_some_and(|member| wanted.contains(member)));
                }
            }),
            View::Ignore { path } => path.change(answer, &mut |value| *value = Value::from("<ignored>")),
        }
    }
}

/// Numbers in their order, then texts in theirs.
fn sort_key(value: &Value) -> (i64, String) {
    (value.as_i64().unwrap_or(i64::MAX), value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn views_change_what_they_name() {
        let mut answer =
            json!({"t": [{"n": "b", "p": [{"i": 2}, {"i": 1}]}, {"n": "a", "p": []}, {"n": "c", "p": []}]});
        for view in [
            View::Only { list: Path::parse("t"), by: "n".into(), values: json!(["a", "b"]) },
            View::Sort { list: Path::parse("t"), by: "n".into() },
            View::Sort { list: Path::parse("t.*.p"), by: "i".into() },
            View::Ignore { path: Path::parse("t.1.p.0.i") },
        ] {
            view.apply(&mut answer);
        }
        assert_eq!(
            answer,
            json!({"t": [{"n": "a", "p": []}, {"n": "b", "p": [{"i": "<ignored>"}, {"i": 2}]}]})
        );
    }
}
