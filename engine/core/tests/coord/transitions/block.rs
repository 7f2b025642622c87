//! The parts of a table: a state or an event, its script, and what came of it.

/// `state: NAME [settings]` or `event: NAME`, the lines of its script, and behind `| ` what came of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Block {
    pub(super) head: String,
    pub(super) script: Vec<String>,
    pub(super) rows: Vec<String>,
}

impl Block {
    pub(super) fn name(&self) -> &str {
        let (_, name) = self.head.split_once(": ").unwrap();
        name.split(" [").next().unwrap()
    }

    pub(super) fn settings(&self) -> &str {
        self.head.split_once('[').map_or("", |(_, rest)| rest.trim_end_matches(']'))
    }

    pub(super) fn is(&self, kind: &str) -> bool {
        self.head.starts_with(kind)
    }

    pub(super) fn parse(text: &str) -> Vec<Block> {
        let mut blocks = Vec::new();
        for part in text.split("\n\n").filter(|part| !part.trim().is_empty()) {
            let mut lines = part.lines();
            let mut block = Block { head: lines.next().unwrap().to_owned(), ..Block::default() };
            for line in lines {
                let kept = if line.starts_with("| ") { &mut block.rows } else { &mut block.script };
                kept.push(line.to_owned());
            }
            blocks.push(block);
        }
        blocks
    }

    pub(super) fn print(blocks: &[Block]) -> String {
        let one = |block: &Block| {
            let lines = std::iter::once(&block.head).chain(&block.script).chain(&block.rows);
            lines.map(|line| format!("{line}\n")).collect::<String>()
        };
        blocks.iter().map(one).collect::<Vec<_>>().join("\n")
    }
}
