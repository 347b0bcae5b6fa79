//! `cargo xtask program migrate`: what `anchor migrate` runs, against an empty local chain, twice.
//!
//! Needs Node.js and npm, and no Anchor CLI: `migrations/check.ts` starts the chain, calls
//! `migrations/deploy.ts` as that would, and reads from the chain what it did.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::workspace;

/// Arguments of `migrate`.
#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
    /// Where `pinaivu-localnet` lies, instead of building it.
    #[arg(long, value_name = "DIR", env = "PINAIVU_BINARIES")]
    binaries: Option<PathBuf>,
}

/// Checks the migration.
pub(crate) fn run(args: &MigrateArgs) -> Result<()> {
    match &args.binaries {
        Some(binaries) => check(binaries),
        None => check(&workspace::build_binaries()?),
    }
}

/// Checks the migration with the local chain that lies there.
pub(crate) fn check(binaries: &Path) -> Result<()> {
    let root = workspace::root();
    if !root.join("node_modules/@anchor-lang/core").exists() {
        let mut npm = Command::new("npm");
        npm.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(&root);
        workspace::run(&mut npm, "npm ci")?;
    }
    let mut types = Command::new("npm");
    types.args(["run", "--silent", "check"]).current_dir(&root);
    workspace::run(&mut types, "the migration's types")?;
    let mut check = Command::new("npx");
    check
        .args(["--no-install", "ts-node", "--transpile-only", "migrations/check.ts"])
        .current_dir(&root)
        .env("PINAIVU_LOCALNET", binaries.join("pinaivu-localnet"))
        .env_remove("PINAIVU_MINT")
        .env_remove("PINAIVU_GOVERNANCE");
    workspace::run(&mut check, "the migration")
}
