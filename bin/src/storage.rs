//! `millrace storage`: looks into a data directory that no broker uses.

use std::io::{self, BufWriter, ErrorKind, StdoutLock, Write};
use std::process::ExitCode;

use millrace_server::storage::{
    DumpOptions, Fact, FieldValue, Records, StorageDirs, ToolError, Verdict, dump, verify,
};
use serde_json::{Map, Value};

use crate::cli::{DumpArguments, StorageArguments, StorageCommand, StoragePlaces, VerifyArguments};

/// Something is damaged.
const CODE_DAMAGED: u8 = 1;
/// Nothing can be said: no data directory, one in use, or one that cannot be read.
const CODE_UNREADABLE: u8 = 3;
/// What a shell reports of a program that SIGPIPE ended.
const CODE_READER_GONE: i32 = 141;

pub(crate) fn run(arguments: &StorageArguments) -> ExitCode {
    let outcome = match &arguments.command {
        StorageCommand::Verify(arguments) => run_verify(arguments),
        StorageCommand::Dump(arguments) => run_dump(arguments),
    };
    match outcome {
        Ok(Verdict::Well) => ExitCode::SUCCESS,
        Ok(Verdict::Damaged) => ExitCode::from(CODE_DAMAGED),
        Err(error) => complain(&error),
    }
}

#[expect(clippy::print_stderr, reason = "there is no log: the command's output is on standard output")]
fn complain(error: &ToolError) -> ExitCode {
    eprintln!("millrace: {error}");
    ExitCode::from(CODE_UNREADABLE)
}

fn run_verify(arguments: &VerifyArguments) -> Result<Verdict, ToolError> {
    let mut printer = Printer::new(&arguments.places);
    let dirs = arguments.places.of(arguments.directory.clone());
    let quiet = arguments.quiet;
    verify(&dirs, &mut |fact| {
        if !quiet || matches!(fact.kind, "damage" | "summary") {
            printer.print(&fact);
        }
    })
}

fn run_dump(arguments: &DumpArguments) -> Result<Verdict, ToolError> {
    let records = match arguments {
        DumpArguments { print_data_log: true, .. } => Records::Data,
        DumpArguments { records: true, .. } => Records::Shape,
        _ => Records::None,
    };
    let file = (!arguments.path.is_dir()).then_some(arguments.path.as_path());
    let dirs = arguments.places.of(arguments.path.clone());
    let mut printer = Printer::new(&arguments.places);
    dump(&dirs, file, DumpOptions { records }, &mut |fact| printer.print(&fact))?;
    Ok(Verdict::Well)
}

impl StoragePlaces {
    fn of(&self, data: std::path::PathBuf) -> StorageDirs {
        StorageDirs { data, journal: self.journal_dir.clone(), shm: self.shm_dir.clone() }
    }
}

/// Prints facts as lines of text or JSON.
struct Printer {
    json: bool,
    out: BufWriter<StdoutLock<'static>>,
}

impl Printer {
    fn new(places: &StoragePlaces) -> Printer {
        Printer { json: places.json, out: BufWriter::new(io::stdout().lock()) }
    }

    fn print(&mut self, fact: &Fact) {
        let written = match self.json {
            true => writeln!(self.out, "{}", object(fact)),
            false => writeln!(self.out, "{fact}"),
        };
        // Whoever reads may have seen enough.
        if written.is_err_and(|error| error.kind() == ErrorKind::BrokenPipe) {
            std::process::exit(CODE_READER_GONE);
        }
    }
}

fn object(fact: &Fact) -> Value {
    let mut object = Map::new();
    object.insert("kind".to_owned(), Value::from(fact.kind));
    for (name, value) in &fact.fields {
        let value = match value {
            FieldValue::Text(text) => Value::from(text.as_str()),
            FieldValue::Number(number) => Value::from(*number),
            FieldValue::Flag(flag) => Value::from(*flag),
        };
        object.insert((*name).to_owned(), value);
    }
    Value::Object(object)
}
