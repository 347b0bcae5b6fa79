//! The web application: built with npm when that is there, so that `up` can serve it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::workspace::{self, run};

/// Oldest Node.js that builds it: `engines` in app/package.json.
const OLDEST_NODE: (u32, u32) = (20, 19);

/// Builds what is out of date and gives the built application's directory; nothing, with the reason
/// said, where it cannot be built. The rest of the product works without it.
pub(crate) fn build() -> Option<PathBuf> {
    let app = workspace::root().join("app");
    let built = app.join("web/dist");
    if !has_node() {
        let (major, minor) = OLDEST_NODE;
        eprintln!("web application not built: it needs Node.js {major}.{minor} or newer, and npm");
        return None;
    }
    match build_in(&app, &built) {
        Ok(()) => Some(built),
        Err(error) => {
            eprintln!("web application not built, going on without it: {error:#}");
            None
        }
    }
}

/// Whether Node.js and npm are there and new enough.
pub(crate) fn has_node() -> bool {
    node_version().is_some_and(|version| version >= OLDEST_NODE) && has_npm()
}

fn build_in(app: &std::path::Path, built: &std::path::Path) -> Result<()> {
    let sources = fingerprint()?;
    let stamp = workspace::root().join("target/app.stamp");
    if built.join("index.html").exists()
        && std::fs::read(&stamp).is_ok_and(|known| known == sources)
    {
        return Ok(());
    }
    eprintln!("building the web application (npm) …");
    let npm = |arguments: &[&str]| {
        let mut command = Command::new("npm");
        command.args(arguments).current_dir(app).stdout(std::process::Stdio::null());
        command
    };
    run(&mut npm(&["ci", "--no-audit", "--no-fund", "--loglevel=error"]), "npm ci")?;
    run(&mut npm(&["run", "build", "--silent"]), "npm run build")?;
    std::fs::write(&stamp, sources)?;
    Ok(())
}

/// What the built application depends on: the committed sources and what was changed since.
fn fingerprint() -> Result<Vec<u8>> {
    let mut all = Vec::new();
    for arguments in [
        &["ls-files", "--stage", "app", "idls"][..],
        &["diff", "HEAD", "--", "app", "idls"],
        &["ls-files", "--others", "--exclude-standard", "app"],
    ] {
        let output = Command::new("git").args(arguments).current_dir(workspace::root()).output()?;
        all.extend(output.stdout);
    }
    Ok(all)
}

fn node_version() -> Option<(u32, u32)> {
    let output = Command::new("node").arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut numbers = text.trim().strip_prefix('v')?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn has_npm() -> bool {
    Command::new("npm").arg("--version").output().is_ok_and(|output| output.status.success())
}
