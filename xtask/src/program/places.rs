//! Where things are: the repository, the toolroot outside it and the build's own target directory.

use std::path::{Path, PathBuf};

use clap::Args;
use sha2::{Digest as _, Sha256};

use super::target::Target;

/// Directories that a build reads and writes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Places {
    /// Where the registry toolchain lies. Its path is part of the bytes it builds, so that it is
    /// one fixed place for everybody, outside the tree.
    #[arg(long, env = "PINAIVU_SBF_ROOT", default_value = "/var/tmp/pinaivu-sbf")]
    pub(crate) toolroot: PathBuf,
    /// Build directory for SBF and IDL builds [default: sbf in the cargo target directory if one
    /// is set, else ~/.cache/pinaivu/sbf-target].
    #[arg(long, env = "PINAIVU_SBF_TARGET_DIR")]
    sbf_target_dir: Option<PathBuf>,
    #[arg(long, env = "CARGO_TARGET_DIR", hide = true)]
    cargo_target_dir: Option<PathBuf>,
    #[arg(long, env = "CARGO_HOME", hide = true)]
    cargo_home: Option<PathBuf>,
    /// A Debian mirror to read packages from [default: the one apt is set up with].
    #[arg(long, env = "PINAIVU_DEBIAN_MIRROR", value_name = "URL")]
    pub(crate) debian_mirror: Option<String>,
}

impl Places {
    /// The repository that this tool was compiled from.
    pub(crate) fn repository(&self) -> &'static Path {
        let manifest_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
        manifest_dir.parent().unwrap_or(manifest_dir)
    }

    /// `tools/sbf`: what the registry toolchain is made from.
    pub(crate) fn tools(&self) -> PathBuf {
        self.repository().join("tools/sbf")
    }

    /// The directory of the committed program artifact.
    pub(crate) fn artifact_dir(&self) -> PathBuf {
        self.repository().join("programs/pinaivu/artifact")
    }

    /// The committed IDL.
    pub(crate) fn idl_file(&self) -> PathBuf {
        self.repository().join("idls/pinaivu.json")
    }

    /// The build directory of one crate of one checkout. Cargo tells checkouts of a package apart
    /// only by time stamps, so that two of them in one directory take each other's objects for
    /// their own.
    pub(crate) fn build_dir(&self, target: &Target) -> PathBuf {
        let owner = Sha256::digest(target.dir.as_os_str().as_encoded_bytes());
        let owner = hex::encode(owner.get(..8).unwrap_or(&owner));
        self.target_dir().join(format!("{}-{owner}", target.library))
    }

    fn target_dir(&self) -> PathBuf {
        if let Some(dir) = &self.sbf_target_dir {
            return dir.clone();
        }
        if let Some(dir) = &self.cargo_target_dir {
            return dir.join("sbf");
        }
        std::env::home_dir().unwrap_or_else(std::env::temp_dir).join(".cache/pinaivu/sbf-target")
    }

    /// Where cargo keeps the sources of registry packages.
    pub(crate) fn cargo_home(&self) -> PathBuf {
        self.cargo_home.clone().unwrap_or_else(|| {
            std::env::home_dir().unwrap_or_else(std::env::temp_dir).join(".cargo")
        })
    }
}
