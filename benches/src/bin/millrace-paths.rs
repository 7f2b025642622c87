//! Runs one path so many times, to be counted: `millrace-paths NAME ROUNDS`;
//! without arguments it names them all.

use std::process::ExitCode;

use millrace_benches::PATHS;

#[expect(clippy::print_stdout, reason = "a development command answers on its standard output")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => PATHS.iter().for_each(|path| println!("{}", path.name)),
        [name, rounds] => {
            let path = PATHS.iter().find(|path| path.name == name);
            let (Some(path), Ok(rounds)) = (path, rounds.parse()) else { return ExitCode::FAILURE };
            (path.run)(rounds);
        }
        _ => return ExitCode::FAILURE,
    }
    ExitCode::SUCCESS
}
