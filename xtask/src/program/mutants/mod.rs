//! `cargo xtask program mutants`: faults planted in the program, and whether its tests notice.
//!
//! Building the program takes minutes, so it is built once, with every fault in it and a number in its
//! constants that says which one is on. The tests then run on copies of that file, each with another
//! number. The sources that are changed are a copy; nothing planted reaches the committed program.

mod plant;
mod suite;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;

use self::plant::{Fault, MARKER};
use self::suite::Suite;
use super::places::Places;
use super::recipe::Recipe;
use super::target::Target;
use super::toolchain;
use crate::workspace;

/// Arguments of `mutants`.
#[derive(Debug, Args)]
pub(crate) struct MutantsArgs {
    #[command(flatten)]
    places: Places,
    /// Only faults in files whose name contains this.
    #[arg(long, default_value = "")]
    file: String,
    /// Every so many faults, from the first; all by default.
    #[arg(long, default_value_t = 1)]
    every: usize,
    /// Only from this fault on, to continue where a run was ended.
    #[arg(long, default_value_t = 1)]
    from: u32,
    /// Only up to this fault.
    #[arg(long, default_value_t = u32::MAX)]
    to: u32,
    /// Only list the faults.
    #[arg(long)]
    list: bool,
    /// Only build the program with its faults, for `--program`.
    #[arg(long)]
    build_only: bool,
    /// Use this program, with its faults, instead of building one.
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Use these compiled tests instead of compiling them.
    #[arg(long, value_name = "FILE")]
    tests: Option<PathBuf>,
    /// Write which faults survived to this file.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Plants, builds, tests, and reports what survived.
pub(crate) fn run(args: &MutantsArgs) -> Result<()> {
    // Always the same place, so that a second build finds the dependencies of the first.
    let copy = workspace::target_dir()?.join("faulty-sources");
    if copy.exists() {
        std::fs::remove_dir_all(&copy)?;
    }
    copy_sources(args.places.repository(), &copy)?;
    let faults = plant::plant(&copy.join("programs/pinaivu/src"))?;
    let chosen: Vec<&Fault> = faults
        .iter()
        .filter(|fault| fault.file.contains(&args.file))
        .filter(|fault| (args.from..=args.to).contains(&fault.number))
        .step_by(args.every)
        .collect();
    if args.list {
        chosen.iter().for_each(|fault| println!("{fault}"));
        return Ok(());
    }
    let program = match &args.program {
        Some(file) => std::fs::read(file)?,
        None => build(&args.places, &copy)?,
    };
    let place = marker(&program)?;
    if args.build_only {
        return Ok(());
    }
    let suite = Suite::build(args.tests.as_deref())?;
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("pinaivu.so");
    std::fs::write(&file, &program)?;
    ensure!(suite.passes(&file)?, "the tests fail with no fault on");
    let mut survivors: BTreeMap<u32, &Fault> = BTreeMap::new();
    for (done, fault) in chosen.iter().enumerate() {
        let mut faulty = program.clone();
        let number = faulty.get_mut(place..place + 4).context("the number lies in the file")?;
        number.copy_from_slice(&fault.number.to_le_bytes());
        std::fs::write(&file, &faulty)?;
        if suite.notices(&file, &fault.file)? {
            eprintln!("{}/{} killed   {fault}", done + 1, chosen.len());
        } else {
            println!("{}/{} SURVIVED {fault}", done + 1, chosen.len());
            survivors.insert(fault.number, fault);
        }
    }
    let killed = chosen.len() - survivors.len();
    let mut text = format!("{killed} of {} faults killed\n", chosen.len());
    survivors.values().for_each(|fault| text.push_str(&format!("survived: {fault}\n")));
    print!("{text}");
    if let Some(report) = &args.report {
        std::fs::write(report, text)?;
    }
    Ok(())
}

/// Every tracked file, without its history.
fn copy_sources(from: &Path, to: &Path) -> Result<()> {
    let listed =
        std::process::Command::new("git").args(["ls-files", "-z"]).current_dir(from).output()?;
    ensure!(listed.status.success(), "git cannot list the sources");
    for name in listed.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let name = std::str::from_utf8(name)?;
        let target = to.join(name);
        std::fs::create_dir_all(target.parent().context("a file lies in a directory")?)?;
        // A file that is listed and gone is gone.
        if from.join(name).is_file() {
            std::fs::copy(from.join(name), target)?;
        }
    }
    Ok(())
}

fn build(places: &Places, copy: &Path) -> Result<Vec<u8>> {
    // The one thing the planted code needs that ours may not have: a volatile read.
    let manifest = copy.join("Cargo.toml");
    let text = std::fs::read_to_string(&manifest)?;
    std::fs::write(&manifest, text.replace("unsafe_code = \"forbid\"", "unsafe_code = \"allow\""))?;
    let recipe = Recipe::load(places)?;
    let target = Target::from_dir(&copy.join("programs/pinaivu"))?;
    let built = toolchain::build(places, &recipe, &target, toolchain::Compiler::Registry)?;
    let kept = workspace::target_dir()?.join("faulty-program.so");
    std::fs::write(&kept, &built.bytes)?;
    eprintln!("kept {} for --program", kept.display());
    Ok(built.bytes)
}

/// Where the number is, which must be one place.
fn marker(program: &[u8]) -> Result<usize> {
    let mut places = program
        .windows(MARKER.len())
        .enumerate()
        .filter(|(_, bytes)| *bytes == MARKER.as_bytes())
        .map(|(place, _)| place + MARKER.len());
    let place = places.next().context("the program has no planted faults")?;
    ensure!(places.next().is_none(), "the marker is in the program twice");
    Ok(place)
}
