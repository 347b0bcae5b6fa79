//! Writes the seeds of every target and the reproducers that are kept into `DIRECTORY/TARGET/`, for
//! `cargo xtask fuzz`, and prints the targets' names.
#![expect(clippy::print_stdout, reason = "an example prints its result")]

use std::path::PathBuf;

use pinaivu_fuzz_targets::{TARGETS, kept};

fn main() -> std::io::Result<()> {
    let directory = std::env::args_os().nth(1).map(PathBuf::from).unwrap_or_else(|| "seeds".into());
    for target in TARGETS {
        let folder = directory.join(target.name);
        std::fs::create_dir_all(&folder)?;
        for (number, seed) in (target.seeds)().into_iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number}")), seed)?;
        }
        if let Ok(files) = std::fs::read_dir(kept(&target)) {
            for file in files {
                let file = file?;
                std::fs::copy(file.path(), folder.join(file.file_name()))?;
            }
        }
        println!("{}", target.name);
    }
    Ok(())
}
