//! Runs other programs with an environment of which every variable is known.
//!
//! Variables that steer cargo or rustc (flags, wrappers, target directories, the toolchain of the
//! cargo that runs this tool) would end up in the bytes or in the wrong directory, so that a build
//! inherits only what finds programs, homes and the network.

#![expect(clippy::disallowed_methods, reason = "decides what of the environment builds see")]

use std::ffi::{OsStr, OsString};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail};

/// Inherited as they are.
const KEPT: [&str; 18] = [
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "TERM",
    "TMPDIR",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_AUTO_INSTALL",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
];

/// Inherited by prefix: how cargo reaches its registries.
const KEPT_PREFIXES: [&str; 4] =
    ["CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTRIES_", "CARGO_SOURCE_"];

/// A command with the reduced environment.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs(inherited(std::env::vars_os()));
    command
}

fn inherited(
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> impl Iterator<Item = (OsString, OsString)> {
    variables.filter(|(name, _)| {
        name.to_str().is_some_and(|name| {
            KEPT.contains(&name) || KEPT_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        })
    })
}

/// Runs a command whose own output the user should see; `what` names it in the error.
pub(crate) fn run(command: &mut Command, what: &str) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("{what}: cannot start {}", command.get_program().display()))?;
    if !status.success() {
        bail!("{what} failed ({status})");
    }
    Ok(())
}

/// Runs a command and returns its standard output; on failure the error carries what it said.
pub(crate) fn output(command: &mut Command, what: &str) -> Result<String> {
    let output = raw_output(command, what)?;
    if !output.status.success() {
        bail!(
            "{what} failed ({}):\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    String::from_utf8(output.stdout).with_context(|| format!("{what}: output is not UTF-8"))
}

/// Runs a command and returns all it said, whether it succeeded or not.
pub(crate) fn raw_output(command: &mut Command, what: &str) -> Result<Output> {
    command
        .output()
        .with_context(|| format!("{what}: cannot start {}", command.get_program().display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_steering_variables_are_dropped_and_network_settings_kept() {
        let variables = [
            ("PATH", true),
            ("CARGO_HTTP_PROXY", true),
            ("RUSTFLAGS", false),
            ("RUSTC_WORKSPACE_WRAPPER", false),
            ("CARGO_TARGET_DIR", false),
            ("RUSTUP_TOOLCHAIN", false),
            ("LD_LIBRARY_PATH", false),
        ];
        let kept: Vec<OsString> =
            inherited(variables.iter().map(|(name, _)| (OsString::from(name), OsString::new())))
                .map(|(name, _)| name)
                .collect();
        let expected: Vec<OsString> = variables
            .iter()
            .filter(|(_, kept)| *kept)
            .map(|(name, _)| OsString::from(name))
            .collect();
        assert_eq!(kept, expected);
    }
}
