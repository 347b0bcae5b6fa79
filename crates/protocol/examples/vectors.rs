//! Writes the golden vectors in `tests/vectors` at the root of the repository, which Rust, the program
//! and the browser read alike. With `--check` it writes nothing and fails when they differ from what
//! the code gives.

use std::process::ExitCode;

#[path = "vectors/files.rs"]
mod files;

fn main() -> ExitCode {
    let check = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--check") => true,
        Some(other) => {
            eprintln!("unknown argument {other}; usage: vectors [--check]");
            return ExitCode::from(2);
        }
    };
    let mut failed = false;
    for (path, content) in files::all() {
        let same = std::fs::read_to_string(&path).is_ok_and(|current| current == content);
        if same {
            continue;
        }
        if check {
            eprintln!("{} differs from the code", path.display());
            failed = true;
        } else if let Err(error) = std::fs::write(&path, content) {
            eprintln!("cannot write {}: {error}", path.display());
            failed = true;
        } else {
            eprintln!("wrote {}", path.display());
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
