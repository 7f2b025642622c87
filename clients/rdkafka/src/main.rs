//! Driver for rust-rdkafka, librdkafka in Rust (see `matrix/driver.py`).

mod group;
mod member;
mod outcome;
mod records;

use outcome::Outcome;
use std::collections::HashMap;
use std::io::{BufRead, BufWriter, Write, stdin, stdout};

fn main() -> Outcome<()> {
    let bootstrap = std::env::args().nth(1).ok_or("the broker's address is missing")?;
    let mut members = HashMap::new();
    let mut lines = stdin().lock().lines();
    let mut out = BufWriter::new(stdout().lock());
    while let Some(line) = lines.next() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        let answers = match words.as_slice() {
            ["create", topic, partitions] => records::create(&bootstrap, topic, partitions.parse()?),
            ["grow", topic, partitions] => records::grow(&bootstrap, topic, partitions.parse()?),
            ["produce", topic, codec, idempotent, count, headers] => {
                let given: Result<Vec<String>, _> = lines.by_ref().take(count.parse()?).collect();
                records::produce(&bootstrap, topic, codec, idempotent, headers, &given?)
            }
            ["consume", topic, count, starts @ ..] => {
                records::consume(&bootstrap, topic, count.parse()?, starts)
            }
            [verb, name, rest @ ..] => group::serve(&bootstrap, &mut members, verb, name, rest),
            _ => Err(format!("unknown command {line}").into()),
        };
        match answers {
            Ok(answers) => {
                answers.iter().try_for_each(|answer| writeln!(out, "{answer}"))?;
                writeln!(out, "done")?;
            }
            Err(error) => writeln!(out, "failed {}", error.to_string().replace('\n', " "))?,
        }
        out.flush()?;
    }
    Ok(())
}
