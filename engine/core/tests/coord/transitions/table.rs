//! Tables in which every state of a group meets every event. `MILLRACE_BLESS=1` writes what came of it into
//! them; read it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::block::Block;
use super::cell::{Cell, Kind, Shape};

/// Events in which the log is read anew.
const LOADING: &[&str] = &["restart", "unload"];

pub(super) fn is_loading(event: &Block) -> bool {
    event.script.iter().any(|line| LOADING.contains(&line.as_str()))
}

/// What comes of an event in a state.
pub(super) struct Outcome {
    pub(super) rows: Vec<String>,
    /// Before and behind the event, and when all is in the log; where that failed.
    pub(super) shapes: Vec<Shape>,
    /// What was answered at once.
    pub(super) said: Vec<String>,
    pub(super) has_asked: bool,
}

fn meet(kind: Kind, state: &Block, event: &Block) -> Outcome {
    let mut cell = Cell::new(kind, state);
    let (before, asked_before) = (cell.shape(), cell.last_write);
    let said: Vec<String> = event.script.iter().flat_map(|line| cell.run(line)).collect();
    let asked = cell.note_asked();
    let after = cell.shape();
    let mut row = format!("| {}: {}{}", state.name(), answers(&said), moved(&before, &after));
    let has_asked = !asked.is_empty();
    // Nobody tells a coordinator that is gone of its writes.
    let waits = !is_loading(event) && (has_asked || (!cell.runner.stage.held.is_empty() && before != after));
    let (mut rows, mut shapes) = (Vec::new(), vec![before, after.clone()]);
    if waits {
        let failing =
            cell.runner.stage.held.iter().map(|(id, _)| id.0).find(|id| !has_asked || *id > asked_before);
        let (then, behind) = cell.complete(None);
        let end = cell.shape();
        row.push_str(&format!(
            "{} then {}{}{}",
            records("writes", &asked),
            answers(&then),
            records("writes", &behind),
            moved(&after, &end)
        ));
        let mut again = Cell::new(kind, state);
        event.script.iter().for_each(|line| drop(again.run(line)));
        again.note_asked();
        let (then, _) = again.complete(failing);
        let failed = again.shape();
        rows.push(format!("|     unwritten: {}{}", answers(&then), moved(&after, &failed)));
        shapes.extend([end, failed]);
    }
    rows.insert(0, row);
    Outcome { rows, shapes, said, has_asked }
}

fn records(word: &str, shown: &[String]) -> String {
    if shown.is_empty() { String::new() } else { format!(" {word} {{{}}}", shown.join("; ")) }
}

fn answers(shown: &[String]) -> String {
    if shown.is_empty() { "-".to_owned() } else { shown.join("; ") }
}

fn moved(before: &Shape, after: &Shape) -> String {
    if before == after { " =".to_owned() } else { format!(" -> {}", after.text) }
}

/// Runs every event in every state of a table and compares; answers the commands of its events.
pub(super) fn check(
    kind: Kind,
    file: &str,
    mut judge: impl FnMut(&Block, &Block, &Outcome),
) -> BTreeSet<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/coord/transitions").join(file);
    #[expect(clippy::disallowed_methods, reason = "a test reads a file of the repository")]
    let text = std::fs::read_to_string(&path).unwrap();
    let blocks = Block::parse(&text);
    let states: Vec<&Block> = blocks.iter().filter(|block| block.is("state: ")).collect();
    let is_blessed = std::env::var_os("MILLRACE_BLESS").is_some();
    if !is_blessed {
        missing_cells(&blocks, &states, file);
    }
    let mut found = blocks.clone();
    for block in &mut found {
        if block.is("state: ") {
            block.rows = vec![format!("| {}", Cell::new(kind, block).shape().text)];
        } else if block.is("event: ") {
            block.rows.clear();
            for state in &states {
                let outcome = meet(kind, state, block);
                judge(state, block, &outcome);
                block.rows.extend(outcome.rows);
            }
        }
    }
    let found = Block::print(&found);
    if is_blessed && text != found {
        #[expect(clippy::disallowed_methods, reason = "asked for by MILLRACE_BLESS")]
        std::fs::write(path, &found).unwrap();
    } else {
        compare(&text, &found, file);
    }
    let events = blocks.iter().filter(|block| block.is("event: "));
    let lines = events.flat_map(|event| &event.script);
    lines.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

fn compare(text: &str, found: &str, file: &str) {
    let differing = text.lines().zip(found.lines()).enumerate().find(|(_, (told, found))| told != found);
    if let Some((place, (told, found))) = differing {
        panic!("{file}:{} expects\n{told}\nbut\n{found}", place + 1);
    }
    assert_eq!(text, found, "{file}");
}

/// The table has a row for every event in every state, and no other.
fn missing_cells(blocks: &[Block], states: &[&Block], file: &str) {
    let wanted: Vec<&str> = states.iter().map(|state| state.name()).collect();
    for event in blocks.iter().filter(|block| block.is("event: ")) {
        let rows = event.rows.iter().filter(|row| !row.starts_with("|  "));
        let names: Vec<&str> =
            rows.map(|row| row.trim_start_matches("| ").split(": ").next().unwrap()).collect();
        assert_eq!(names, wanted, "{file}: states of the rows of `{}`", event.name());
    }
}
