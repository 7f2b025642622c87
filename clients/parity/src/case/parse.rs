//! Parses case files; `clients/parity/README.md` describes the notation.
use super::{Action, Case, Edits, Mode, Path, Request, Step, View};
use crate::text::{TextError, Texts};
use serde_json::Value;
use std::collections::BTreeMap;

/// All cases of one file; a case with `versions` becomes one case per version.
pub(crate) fn parse_cases(text: &str) -> Result<Vec<Case>, TextError> {
    let mut texts = Texts::new(text);
    let mut drafts: Vec<Draft> = Vec::new();
    let mut shared: BTreeMap<String, Vec<Step>> = BTreeMap::new();
    while texts.advance() {
        let word = texts.word().ok_or_else(|| texts.error("a step begins with a word"))?;
        if word == "case" || word == "steps" {
            let name = texts.word().ok_or_else(|| texts.error("a case has a name"))?.to_owned();
            drafts.push(Draft { name, is_shared: word == "steps", versions: None, steps: Vec::new() });
        } else if word == "use" {
            let name = need(&mut texts, "steps")?;
            let steps = shared.get(name).ok_or_else(|| texts.error(format!("there are no steps {name}")))?;
            let draft = drafts.last_mut().ok_or_else(|| texts.error("`case NAME` comes first"))?;
            draft.steps.extend(steps.iter().cloned());
        } else {
            let draft = drafts.last_mut().ok_or_else(|| texts.error("`case NAME` comes first"))?;
            draft.line(word, &mut texts)?;
        }
        if !texts.at_line_end() {
            let rest = texts.rest_of_line();
            return Err(texts.error(format!("{rest:?} is left over")));
        }
        if let Some(draft) = drafts.last().filter(|draft| draft.is_shared) {
            shared.insert(draft.name.clone(), draft.steps.clone());
        }
    }
    Ok(drafts.into_iter().filter(|draft| !draft.is_shared).flat_map(Draft::expand).collect())
}

struct Draft {
    name: String,
    /// Steps that cases take over, no case.
    is_shared: bool,
    versions: Option<(i16, i16)>,
    steps: Vec<Step>,
}

impl Draft {
    fn expand(self) -> Vec<Case> {
        let Some((first, last)) = self.versions else {
            return vec![Case { name: self.name, version: None, steps: self.steps }];
        };
        let case =
            |v| Case { name: format!("{}@{v}", self.name), version: Some(v), steps: self.steps.clone() };
        (first..=last).map(case).collect()
    }

    fn line(&mut self, word: &str, texts: &mut Texts<'_>) -> Result<(), TextError> {
        match word {
            "about" => _ = texts.rest_of_line(),
            "versions" => {
                let range = texts.word().unwrap_or_default();
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                let ends = first.parse().ok().zip(last.parse().ok());
                self.versions = Some(ends.ok_or_else(|| texts.error(format!("versions {range:?}")))?);
            }
            "keep" | "sort" | "only" | "ignore" | "until" | "took" | "cut" | "extra" | "client" | "as"
            | "quiet" => {
                let step =
                    self.steps.last_mut().ok_or_else(|| texts.error(format!("{word} follows a step")))?;
                modify(step, word, texts)?;
            }
            _ => self.steps.push(step(word, texts)?),
        }
        Ok(())
    }
}

fn modify(step: &mut Step, word: &str, texts: &mut Texts<'_>) -> Result<(), TextError> {
    match word {
        "keep" => {
            let name = need(texts, "a variable")?.to_owned();
            equals(texts)?;
            step.keeps.push((name, path(texts)?));
        }
        "sort" => {
            let list = path(texts)?;
            let by = member_after(texts, "by")?;
            step.views.push(View::Sort { list, by });
        }
        "only" => {
            let list = path(texts)?;
            let by = member_after(texts, "by")?;
            step.views.push(View::Only { list, by, values: texts.value()? });
        }
        "ignore" => step.views.push(View::Ignore { path: path(texts)? }),
        "until" => {
            let path = path(texts)?;
            equals(texts)?;
            step.until = Some((path, texts.value()?));
        }
        "quiet" => step.quiet = true,
        "took" => step.took = Some((number(texts)?, number(texts)?)),
        "cut" => step.edits.cut = number(texts)? as usize,
        "extra" => step.edits.extra = need(texts, "hexadecimal text")?.to_owned(),
        "client" => step.edits.client_id = Some(texts.value()?),
        _ => {
            let api = need(texts, "an API")?.to_owned();
            step.edits.read_as = Some((api, number(texts)? as i16));
        }
    }
    Ok(())
}

fn step(word: &str, texts: &mut Texts<'_>) -> Result<Step, TextError> {
    let (connection, word) = match word.strip_prefix('@') {
        Some(name) => (name.to_owned(), need(texts, "a step")?),
        None => (String::new(), word),
    };
    let action = action(word, texts)?;
    let (edits, keeps, views) = (Edits::default(), Vec::new(), Vec::new());
    Ok(Step { connection, action, edits, keeps, views, until: None, quiet: false, took: None })
}

fn action(word: &str, texts: &mut Texts<'_>) -> Result<Action, TextError> {
    Ok(match word {
        "topic" => {
            let name = texts.value()?;
            let options = if texts.at('{') { texts.value()? } else { Value::Null };
            let id = if texts.word() == Some("as") { need(texts, "a variable")? } else { "id" };
            Action::Topic { name, options, id: id.to_owned() }
        }
        "append" => {
            Action::Append { topic: texts.value()?, partition: texts.value()?, batches: texts.value()? }
        }
        "delete" => Action::Delete { name: texts.value()? },
        "producer" => Action::Producer { name: need(texts, "a variable")?.to_owned() },
        "bytes" => Action::Embedded {
            name: need(texts, "a variable")?.to_owned(),
            message: need(texts, "a message")?.to_owned(),
            version: texts.value()?,
            fields: texts.value()?,
        },
        "receive" => Action::Receive,
        "close" => Action::Close,
        "pause" => Action::Pause { ms: number(texts)? },
        "silence" => Action::Silence { ms: number(texts)? },
        "raw" | "frame" => Action::Bytes {
            pieces: texts.rest_of_line().to_owned(),
            framed: word == "frame",
            mode: Mode::Exchange,
        },
        "send" => in_mode(Mode::Send, texts)?,
        "oneway" => in_mode(Mode::OneWay, texts)?,
        api if api.starts_with(|c: char| c.is_ascii_uppercase()) => {
            let version = texts.value()?;
            let fields =
                if texts.at_line_end() { Value::Object(Default::default()) } else { texts.value()? };
            Action::Request(Request { api: api.to_owned(), version, fields, mode: Mode::Exchange })
        }
        other => return Err(texts.error(format!("there is no step {other}"))),
    })
}

fn in_mode(wanted: Mode, texts: &mut Texts<'_>) -> Result<Action, TextError> {
    let word = need(texts, "a request")?;
    let mut action = action(word, texts)?;
    match &mut action {
        Action::Request(Request { mode, .. }) | Action::Bytes { mode, .. } => *mode = wanted,
        _ => return Err(texts.error(format!("{word} is no request"))),
    }
    Ok(action)
}

fn need<'a>(texts: &mut Texts<'a>, what: &str) -> Result<&'a str, TextError> {
    texts.word().ok_or_else(|| texts.error(format!("{what} is missing")))
}

fn number(texts: &mut Texts<'_>) -> Result<u64, TextError> {
    let word = need(texts, "a number")?;
    word.parse().map_err(|_| texts.error(format!("{word} is no number")))
}

fn path(texts: &mut Texts<'_>) -> Result<Path, TextError> {
    need(texts, "a path").map(Path::parse)
}

fn member_after(texts: &mut Texts<'_>, word: &str) -> Result<String, TextError> {
    match texts.word() {
        Some(found) if found == word => need(texts, "a member").map(str::to_owned),
        _ => Err(texts.error(format!("{word} is missing"))),
    }
}

fn equals(texts: &mut Texts<'_>) -> Result<(), TextError> {
    if texts.symbol('=') { Ok(()) } else { Err(texts.error("= is missing")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_expand_and_steps_take_their_modifiers() {
        let cases = parse_cases(
            "case one # first\n about some words\n topic $topic {partitions: 2} as other\n\
             \x20@b send Fetch 4 {a:\n 1}\nkeep x = a.0.b\n until e = 0\n receive\ncase two\n versions 3-5\n\
             \x20Metadata $v\n raw i32:5 hex:00",
        )
        .unwrap();
        let names: Vec<_> = cases.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["one", "two@3", "two@4", "two@5"]);
        let sent = &cases[0].steps[1];
        assert_eq!((sent.connection.as_str(), sent.keeps.len(), sent.until.is_some()), ("b", 1, true));
        let Action::Bytes { pieces, framed: false, .. } = &cases[1].steps[1].action else {
            panic!("these are raw bytes");
        };
        assert_eq!(pieces, "i32:5 hex:00");
    }

    #[test]
    fn shared_steps_come_where_they_are_used() {
        let cases = parse_cases(
            "steps pair\n Metadata 1\n quiet\n receive\ncase one\n use pair\n close\n\
             case two\n versions 1-2\n use pair",
        )
        .unwrap();
        let lengths: Vec<_> = cases.iter().map(|c| (c.name.as_str(), c.steps.len())).collect();
        assert_eq!(lengths, [("one", 3), ("two@1", 2), ("two@2", 2)]);
        assert!(cases[2].steps[0].quiet && !cases[2].steps[1].quiet);
    }

    #[test]
    fn faults_are_named() {
        for (text, expect) in [
            ("Metadata 1", "line 1: `case NAME` comes first"),
            ("case a\n keep x = y", "line 2: keep follows a step"),
            ("case a\n use b", "line 2: there are no steps b"),
            ("case a\n jump", "line 2: there is no step jump"),
            ("case a\n pause 5 6", "line 2: \"6\" is left over"),
        ] {
            assert_eq!(parse_cases(text).unwrap_err().to_string(), expect);
        }
    }
}
