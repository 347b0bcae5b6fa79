//! `cargo xtask program`: from sources to the committed artifact, and the check that they agree.
//!
//! The program's `.so`, its IDL and a manifest saying what they were built from are committed, so
//! that nobody needs an SBF compiler to run Pinaivu. `build` writes them, `check` refuses them when
//! they no longer belong to the sources. What goes to a public cluster is not this artifact but a
//! verifiable build with the Solana toolchain (`tools/sbf/README.md`).

mod artifact;
mod check;
mod cu;
mod debian;
mod dependencies;
mod environment;
mod fuzz;
mod idl;
mod link;
pub(crate) mod migrate;
mod mutants;
mod places;
mod recipe;
mod registry;
mod setup;
mod solana;
mod sources;
mod std_patch;
mod target;
mod toolchain;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, Subcommand, ValueEnum};

use places::Places;
use recipe::Recipe;
use target::Target;

/// What to do with the program.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Fetch and prepare the compiler that `build` uses when the Solana toolchain is not installed.
    Setup(SetupArgs),
    /// Build the program and its IDL, and write the artifact that is committed.
    Build(BuildArgs),
    /// Fail when the committed artifact does not belong to the sources.
    Check(CheckArgs),
    /// Regenerate only the IDL.
    Idl(IdlArgs),
    /// Write the table of what instructions cost.
    Cu(cu::CuArgs),
    /// Run random sequences of all instructions against a reference ledger.
    Fuzz(fuzz::FuzzArgs),
    /// Run the migration twice on an empty local chain, with Node.js.
    Migrate(migrate::MigrateArgs),
    /// Plant faults in a copy of the program and say which ones its tests miss.
    Mutants(mutants::MutantsArgs),
    /// The linker that rustc calls during a build.
    #[command(hide = true)]
    Link(link::LinkArgs),
}

/// Arguments of `setup`.
#[derive(Debug, Args)]
pub(crate) struct SetupArgs {
    #[command(flatten)]
    places: Places,
    /// Start over, also when everything is there.
    #[arg(long)]
    force: bool,
}

/// Arguments of `build`.
#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    #[command(flatten)]
    places: Places,
    /// Which compiler to use.
    #[arg(long, value_enum, default_value_t = ToolchainChoice::Auto)]
    toolchain: ToolchainChoice,
    /// Build this program crate instead of Pinaivu's, and write only its .so.
    #[arg(long = "crate", value_name = "DIR", requires = "output")]
    crate_dir: Option<PathBuf>,
    /// Where the .so of `--crate` goes.
    #[arg(long, value_name = "FILE", requires = "crate_dir")]
    output: Option<PathBuf>,
    /// Also rebuild the differential guard when nothing that it is made of has changed.
    #[arg(long)]
    guard: bool,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    places: Places,
    /// Build again and compare: the IDL always, the .so where its toolchain can be had.
    #[arg(long)]
    rebuild: bool,
}

/// Arguments of `idl`.
#[derive(Debug, Args)]
pub(crate) struct IdlArgs {
    #[command(flatten)]
    places: Places,
}

/// Which compiler builds the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ToolchainChoice {
    /// Solana's where it is installed, else from package registries.
    Auto,
    /// rustc with LLVM from Debian and sbpf-linker from the Rust registry.
    Registry,
    /// Solana's own: `cargo build-sbf`.
    Solana,
}

/// Runs one `cargo xtask program` command.
pub(crate) fn run(command: Command) -> Result<()> {
    match command {
        Command::Setup(args) => {
            let recipe = Recipe::load(&args.places)?;
            setup::ensure(&args.places, &recipe, args.force).map(|_| ())
        }
        Command::Build(args) => build(&args),
        Command::Check(args) => check::run(&args.places, args.rebuild),
        Command::Idl(args) => {
            let recipe = Recipe::load(&args.places)?;
            let idl = idl::generate(&args.places, &recipe, &Target::program(&args.places)?)?;
            idl::write(&args.places, &idl)?;
            println!("wrote {}", args.places.idl_file().display());
            Ok(())
        }
        Command::Cu(args) => cu::run(&args),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Migrate(args) => migrate::run(&args),
        Command::Mutants(args) => mutants::run(&args),
        Command::Link(args) => link::run(&args),
    }
}

fn build(args: &BuildArgs) -> Result<()> {
    let places = &args.places;
    let recipe = Recipe::load(places)?;
    let compiler = toolchain::choose(args.toolchain)?;
    match (&args.crate_dir, &args.output) {
        (Some(dir), Some(output)) => {
            let built = toolchain::build(places, &recipe, &Target::from_dir(dir)?, compiler)?;
            std::fs::write(output, &built.bytes)?;
            println!("wrote {} ({} bytes)", output.display(), built.bytes.len());
            Ok(())
        }
        (None, None) => {
            // The judge first: it must exist for what the program is built with.
            artifact::build_guard(places, &recipe, args.guard)?;
            artifact::build_program(places, &recipe, compiler)
        }
        _ => bail!("--crate and --output go together"),
    }
}
