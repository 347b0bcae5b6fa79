//! The web application: built with npm when that is there, so that `up` can serve it and tests can test it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Result;
use sha2::{Digest as _, Sha256};

use crate::workspace::{self, run};

/// Oldest Node.js that builds it: `engines` in app/package.json.
const OLDEST_NODE: (u32, u32) = (20, 19);

/// Why it cannot be built on this machine, if so.
pub(crate) fn obstacle() -> Option<String> {
    let (major, minor) = OLDEST_NODE;
    match node_version() {
        Some(version) if version >= OLDEST_NODE && has_npm() => None,
        Some((found, _)) if found < major => {
            Some(format!("Node.js here is of version {found}; {major}.{minor} or newer is needed"))
        }
        _ => Some(format!("Node.js {major}.{minor} or newer, and npm, are not here")),
    }
}

/// Builds what is out of date and gives the built application's directory; nothing, with the reason
/// said, where it cannot be built. The rest of the product works without it.
pub(crate) fn build() -> Option<PathBuf> {
    if let Some(why) = obstacle() {
        eprintln!("web application not built: {why}");
        return None;
    }
    match ensure_built() {
        Ok(built) => Some(built),
        Err(error) => {
            eprintln!("web application not built, going on without it: {error:#}");
            None
        }
    }
}

/// Installs packages and builds where something changed since; gives the built application's directory.
pub(crate) fn ensure_built() -> Result<PathBuf> {
    let app = root();
    let built = app.join("web/dist");
    // Beside what it speaks of: whoever removes the one removes the other.
    let stamp = built.join(".sources");
    let sources = fingerprint()?;
    ensure_packages(&app)?;
    if built.join("index.html").exists()
        && std::fs::read_to_string(&stamp).is_ok_and(|known| known == sources)
    {
        return Ok(built);
    }
    eprintln!("building the web application …");
    npm(&["run", "build", "--silent"])?;
    std::fs::write(&stamp, sources)?;
    Ok(built)
}

/// Runs an npm command in app/, its output going where this process's errors go, so that nothing but
/// results reaches standard output.
pub(crate) fn npm(arguments: &[&str]) -> Result<()> {
    let what = format!("npm {}", arguments.join(" "));
    run(Command::new("npm").args(arguments).current_dir(root()).stdout(std::io::stderr()), &what)
}

/// Where its sources are.
pub(crate) fn root() -> PathBuf {
    workspace::root().join("app")
}

fn ensure_packages(app: &Path) -> Result<()> {
    let stamp = app.join("node_modules/.installed");
    let wanted = hex::encode(Sha256::digest(std::fs::read(app.join("package-lock.json"))?));
    if std::fs::read_to_string(&stamp).is_ok_and(|known| known == wanted) {
        return Ok(());
    }
    eprintln!("installing the web application's packages (npm) …");
    npm(&["ci", "--no-audit", "--no-fund", "--loglevel=error"])?;
    Ok(std::fs::write(&stamp, wanted)?)
}

/// What the built application depends on: the committed sources and what was changed since.
fn fingerprint() -> Result<String> {
    let mut all = Sha256::new();
    for arguments in [
        &["ls-files", "--stage", "app", "idls"][..],
        &["diff", "HEAD", "--", "app", "idls"],
        &["ls-files", "--others", "--exclude-standard", "app"],
    ] {
        let output = Command::new("git").args(arguments).current_dir(workspace::root()).output()?;
        all.update(&output.stdout);
    }
    Ok(hex::encode(all.finalize()))
}

fn node_version() -> Option<(u32, u32)> {
    let output = Command::new("node").arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut numbers = text.trim().strip_prefix('v')?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn has_npm() -> bool {
    let found = Command::new("npm").arg("--version").stdout(Stdio::null()).status();
    found.is_ok_and(|status| status.success())
}
