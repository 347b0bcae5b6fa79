//! Debian packages without installing anything: read two suites into lists of our own, resolve the
//! recipe's pins, download and unpack.
//!
//! Only `apt-get`, `apt-cache` and `dpkg-deb` of a Debian machine are used, with state and cache
//! inside the toolroot, so that neither root nor a change to the machine's own set-up is needed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::environment::{command, output, run};
use super::recipe::Recipe;

/// Debian's archive keys, under the names that its releases have used.
const KEYRINGS: [&str; 2] = [
    "/usr/share/keyrings/debian-archive-keyring.gpg",
    "/usr/share/keyrings/debian-archive-keyring.pgp",
];

/// The recipe's pins as the archive has them today.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pins {
    /// Version of the standard library's source package.
    pub(crate) rust_source: String,
    /// Version of the LLVM library package.
    pub(crate) llvm: String,
    /// Name and version of what LLVM needs to run.
    pub(crate) runtime: BTreeMap<String, String>,
}

/// A view of the archive with its own lists.
pub(crate) struct Archive {
    root: PathBuf,
}

impl Archive {
    /// Reads the recipe's suites from `mirror`, or from the mirror that apt is set up with.
    pub(crate) fn open(root: PathBuf, recipe: &Recipe, mirror: Option<&str>) -> Result<Self> {
        if std::env::consts::ARCH != "x86_64" || std::env::consts::OS != "linux" {
            bail!(
                "the registry toolchain runs on x86-64 Linux only; install the Solana toolchain \
                 and use `--toolchain solana`"
            );
        }
        let mirror = match mirror {
            Some(mirror) => mirror.to_owned(),
            None => configured_mirror()?,
        };
        let keyring = KEYRINGS.iter().find(|path| Path::new(path).exists()).context(
            "Debian's archive keys are missing: install the package debian-archive-keyring",
        )?;
        for dir in ["lists/partial", "cache/archives/partial", "state", "download"] {
            fs::create_dir_all(root.join(dir))?;
        }
        let sources: String = recipe
            .debian
            .suites
            .iter()
            .map(|suite| format!("deb [signed-by={keyring}] {mirror} {suite} main\n"))
            .collect();
        fs::write(root.join("sources.list"), sources)?;
        let archive = Self { root };
        run(
            archive.apt("apt-get").args(["update", "-qq", "-oAPT::Update::Error-Mode=any"]),
            "reading Debian's package lists",
        )?;
        Ok(archive)
    }

    /// Finds a version for every pin; the error names each one that is gone.
    pub(crate) fn resolve(&self, recipe: &Recipe) -> Result<Pins> {
        let debian = &recipe.debian;
        let release = &recipe.rust.version;
        let mut gone = Vec::new();
        let mut pick =
            |package: &str, wanted: &str, suite: Option<&str>, accept: &dyn Fn(&str) -> bool| {
                let found = self.offers(package)?.into_iter().find(|offer| {
                    suite.is_none_or(|suite| offer.suite == suite) && accept(&offer.version)
                });
                if found.is_none() {
                    gone.push(format!("{package} {wanted}"));
                }
                anyhow::Ok(found.map(|offer| offer.version).unwrap_or_default())
            };
        let rust_source = pick(&debian.rust_source, release, None, &|version| {
            version.strip_prefix(release.as_str()).is_some_and(|rest| rest.starts_with(['+', '-']))
        })?;
        let llvm = &debian.llvm;
        let llvm_version = pick(&llvm.package, &llvm.major, Some(&llvm.suite), &|version| {
            upstream(version).split('.').next() == Some(&llvm.major)
        })?;
        let mut runtime = BTreeMap::new();
        for package in &debian.runtime {
            let version = pick(package, "(any)", Some(&llvm.suite), &|_| true)?;
            runtime.insert(package.clone(), version);
        }
        if !gone.is_empty() {
            bail!(
                "Debian ({}) no longer offers: {}. Ways out: install the Solana toolchain and use \
                 `--toolchain solana`; name a mirror that still has them in PINAIVU_DEBIAN_MIRROR; \
                 or move the pins in tools/sbf/recipe.toml to a release that exists and check it \
                 with the differential guard. Running Pinaivu needs none of this: the built \
                 program is committed.",
                debian.suites.join(", "),
                gone.join(", ")
            );
        }
        Ok(Pins { rust_source, llvm: llvm_version, runtime })
    }

    /// Downloads exactly these packages and unpacks them into `into`.
    pub(crate) fn unpack<'a>(
        &self,
        packages: impl Iterator<Item = (&'a str, &'a str)>,
        into: &Path,
    ) -> Result<()> {
        let download = self.root.join("download");
        fs::remove_dir_all(&download)?;
        fs::create_dir_all(&download)?;
        let wanted: Vec<String> =
            packages.map(|(package, version)| format!("{package}={version}")).collect();
        run(
            self.apt("apt-get").args(["download", "-qq"]).args(&wanted).current_dir(&download),
            "downloading Debian packages",
        )?;
        fs::create_dir_all(into)?;
        for entry in fs::read_dir(&download)? {
            let package = entry?.path();
            run(
                command("dpkg-deb").arg("-x").arg(&package).arg(into),
                "unpacking a Debian package",
            )?;
            fs::remove_file(&package)?;
        }
        Ok(())
    }

    fn offers(&self, package: &str) -> Result<Vec<Offer>> {
        let table = output(
            self.apt("apt-cache").args(["madison", package]),
            "looking up a Debian package",
        )?;
        Ok(table.lines().filter_map(Offer::parse).collect())
    }

    fn apt(&self, program: &str) -> Command {
        let path = |name: &str| self.root.join(name).display().to_string();
        let mut apt = command(program);
        apt.arg(format!("-oDir::Etc::sourcelist={}", path("sources.list")))
            .arg("-oDir::Etc::sourceparts=/dev/null")
            .arg(format!("-oDir::State={}", path("state")))
            .arg(format!("-oDir::State::lists={}", path("lists")))
            .arg(format!("-oDir::Cache={}", path("cache")))
            .arg("-oAPT::Sandbox::User=root")
            // Contents, icons and translations are of no use here.
            .arg("-oAcquire::Languages=none")
            .arg("-oAcquire::IndexTargets::deb::DEP-11::DefaultEnabled=false");
        apt
    }
}

/// One line of `apt-cache madison`: `package | version | mirror suite/component arch Packages`.
struct Offer {
    version: String,
    suite: String,
}

impl Offer {
    fn parse(line: &str) -> Option<Self> {
        let mut columns = line.split('|').map(str::trim);
        let _package = columns.next()?;
        let version = columns.next()?.to_owned();
        let mut source = columns.next()?.split_whitespace();
        let _mirror = source.next()?;
        let suite = source.next()?.split('/').next()?.to_owned();
        Some(Self { version, suite })
    }
}

/// A Debian version without its epoch.
fn upstream(version: &str) -> &str {
    version.split_once(':').map_or(version, |(_, rest)| rest)
}

fn configured_mirror() -> Result<String> {
    let targets = output(
        command("apt-get").args([
            "indextargets",
            "--format",
            "$(REPO_URI)",
            "Created-By: Packages",
            "Origin: Debian",
            "Component: main",
        ]),
        "asking apt for its Debian mirror (the registry toolchain needs a Debian machine; elsewhere \
         install the Solana toolchain)",
    )?;
    targets.lines().find(|uri| !uri.contains("security")).map(str::to_owned).context(
        "apt on this machine is set up without a Debian mirror: name one in \
             PINAIVU_DEBIAN_MIRROR, or install the Solana toolchain and use `--toolchain solana`",
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn madison_line_gives_version_and_suite() {
        let offer = Offer::parse(
            "  rust-src | 1.95.0+dfsg1-2~bpo13+1 | http://mirror.test/debian trixie-backports/main amd64 Packages",
        )
        .unwrap();
        assert_eq!(offer.version, "1.95.0+dfsg1-2~bpo13+1");
        assert_eq!(offer.suite, "trixie-backports");
    }

    #[test]
    fn epoch_is_no_part_of_the_upstream_version() {
        assert_eq!(upstream("1:23.1.4-2"), "23.1.4-2");
        assert_eq!(upstream("2.43-7"), "2.43-7");
    }
}
