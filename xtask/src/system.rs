//! What a build needs from the operating system, installed when it is missing and may be.

use std::process::Command;

use anyhow::{Result, bail};

use crate::workspace::run;

/// One thing a build needs: how to see whether it is there, and the Debian package that brings it.
pub(crate) struct Need {
    pub(crate) check: &'static [&'static str],
    pub(crate) package: &'static str,
    pub(crate) what: &'static str,
}

const NEEDS: &[Need] = &[
    Need { check: &["cc", "--version"], package: "gcc", what: "a C compiler" },
    Need { check: &["pkg-config", "--version"], package: "pkg-config", what: "pkg-config" },
    Need {
        check: &["pkg-config", "--exists", "openssl"],
        package: "libssl-dev",
        what: "OpenSSL's headers (the embedded local chain links them)",
    },
    Need { check: &["python3", "-m", "pip", "--version"], package: "python3-pip", what: "pip" },
];

/// Installs what builds need and is missing, or says how to.
pub(crate) fn ensure_packages() -> Result<()> {
    ensure(NEEDS)
}

/// Installs what of these is missing, or says how to.
pub(crate) fn ensure(needs: &[Need]) -> Result<()> {
    let missing: Vec<&Need> = needs.iter().filter(|need| !is_there(need)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    for need in &missing {
        eprintln!("missing: {}", need.what);
    }
    if !nix::unistd::geteuid().is_root() {
        bail!("install what is missing: sudo apt-get install {}", packages.join(" "));
    }
    eprintln!("installing with apt-get: {} …", packages.join(" "));
    run(Command::new("apt-get").args(["update", "--quiet=2"]), "apt-get update")?;
    run(
        Command::new("apt-get")
            .args(["install", "--yes", "--quiet=2", "--no-install-recommends"])
            .args(&packages)
            .env("DEBIAN_FRONTEND", "noninteractive"),
        "apt-get install",
    )
}

fn is_there(need: &Need) -> bool {
    let Some((program, arguments)) = need.check.split_first() else { return true };
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}
