//! `cargo xtask web-test`: the web application's checks, and people's journeys through it in a real
//! browser on a real network.
//!
//! The network is `pinaivu up`, started and ended by the journeys themselves. `cargo xtask test` has the
//! same as one of its stages.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::app;
use crate::system::{self, Need};
use crate::workspace::{self, run};

/// Names under which a browser that the journeys can drive is found, the Debian package's first.
const BROWSERS: [&str; 4] =
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

const CHROMIUM: Need =
    Need { check: &["chromium", "--version"], package: "chromium", what: "Chromium" };

/// Lint, types, unit tests, drift of the generated client, sizes of pages, and the journeys in Chromium.
///
/// What is missing is installed: packages by `npm ci`, Chromium by apt-get where that is allowed.
#[derive(Debug, Default, Args)]
pub(crate) struct WebTestArgs {
    /// Leave out the journeys in the browser.
    #[arg(long)]
    no_browser: bool,
    /// Write the pictures and figures of `docs/screenshots` again.
    #[arg(long, conflicts_with = "no_browser")]
    record: bool,
    /// Passed on to Node's test runner, for example `--test-name-pattern=chat`.
    #[arg(last = true)]
    runner: Vec<String>,
}

/// Runs everything; what cannot be run is an error.
pub(crate) fn run_all(arguments: &WebTestArgs) -> Result<()> {
    if let Some(why) = app::obstacle() {
        bail!("{why}");
    }
    system::ensure_packages()?;
    let browser = if arguments.no_browser { None } else { Some(browser()?) };
    checks()?;
    if let Some(browser) = browser {
        journeys(&browser, arguments)?;
    }
    eprintln!("the web application holds");
    Ok(())
}

/// The same as a stage: where Node.js or a browser cannot be had, what needs it is left out and said.
pub(crate) fn stage() -> Result<()> {
    if let Some(why) = app::obstacle() {
        eprintln!("web application: skipped because {why}");
        return Ok(());
    }
    checks()?;
    match browser() {
        Ok(browser) => journeys(&browser, &WebTestArgs::default()),
        Err(error) => {
            eprintln!("journeys in the browser: skipped because {error:#}");
            Ok(())
        }
    }
}

fn checks() -> Result<()> {
    app::ensure_built()?;
    app::npm(&["run", "check", "--silent"])?;
    app::npm(&["test", "--silent"])?;
    app::npm(&["run", "size", "--silent"])
}

fn journeys(browser: &Path, arguments: &WebTestArgs) -> Result<()> {
    let binaries = workspace::build_binaries()?;
    let mut command = Command::new("npm");
    command
        .args(["run", "--silent", "e2e", "--", "--built"])
        .args(&arguments.runner)
        .current_dir(app::root())
        .stdout(std::io::stderr())
        .env("CHROMIUM", browser)
        .env("PINAIVU_BIN", binaries.join("pinaivu"));
    if arguments.record {
        command.env("PINAIVU_RECORD", workspace::root().join("docs/screenshots"));
    }
    run(&mut command, "the journeys in the browser")
}

/// A browser that is here, or that could be installed.
fn browser() -> Result<PathBuf> {
    if let Some(found) = find_browser() {
        return Ok(found);
    }
    system::ensure(&[CHROMIUM])?;
    find_browser().context("Chromium was installed and is not found")
}

fn find_browser() -> Option<PathBuf> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the build tool has the real environment; where the browser is can be said there"
    )]
    let (chosen, path) = (std::env::var_os("CHROMIUM"), std::env::var_os("PATH"));
    // Playwright wants the file, not a name.
    let places: Vec<PathBuf> = path.iter().flat_map(|path| std::env::split_paths(path)).collect();
    let named = BROWSERS.iter().flat_map(|name| places.iter().map(move |place| place.join(name)));
    chosen.map(PathBuf::from).into_iter().chain(named).find(|browser| {
        let mut command = Command::new(browser);
        command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    })
}
