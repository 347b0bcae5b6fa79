//! Refuses a committed artifact that does not belong to the sources beside it.
//!
//! Without `--rebuild` only digests are compared, which takes no compiler. With it the IDL is
//! generated anew, and the `.so` too where the toolchain that made it can be had; bytes are
//! compared when every recorded version is the same.

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::artifact::{Manifest, Origin, guard_dir, sha256};
use super::idl;
use super::places::Places;
use super::recipe::Recipe;
use super::target::Target;
use super::toolchain::{self, Built, Compiler, Versions};

const WAY_OUT: &str = "run `cargo xtask program build` and commit what it writes";

/// One way in which an artifact does not belong to its sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Problem {
    /// The `.so` is not the one the manifest describes.
    Artifact,
    /// The IDL is not the one the manifest describes.
    Idl,
    /// The sources are others than those it was built from.
    Sources,
    /// The registry packages are others than those it was built with.
    Dependencies,
    /// The sources yield another IDL.
    RebuiltIdl,
    /// The same toolchain yields another `.so`.
    RebuiltArtifact,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Artifact => "the committed .so is not the file that its manifest describes",
            Self::Idl => "idls/pinaivu.json is not the IDL that was built with the program",
            Self::Sources => "the sources changed after the .so was built",
            Self::Dependencies => {
                "the packages it is compiled with changed after the .so was built"
            }
            Self::RebuiltIdl => "the sources yield another IDL than idls/pinaivu.json",
            Self::RebuiltArtifact => "the same toolchain builds other bytes than the committed .so",
        })
    }
}

/// Checks the program's artifact and the guard's.
pub(crate) fn run(places: &Places, rebuild: bool) -> Result<()> {
    let program = Target::program(places)?;
    let committed_idl = fs::read_to_string(places.idl_file())
        .with_context(|| format!("cannot read {}; {WAY_OUT}", places.idl_file().display()))?;
    let guard = Target::guard(places)?;
    let artifacts = [
        (&program, places.artifact_dir(), Some(committed_idl.as_str())),
        (&guard, guard_dir(places), None),
    ];
    let mut found: Vec<(&Target, Problem)> = Vec::new();
    for &(target, ref dir, idl) in &artifacts {
        let manifest = Manifest::read(dir).context(WAY_OUT)?;
        let so = read_so(dir, &manifest)?;
        let problems = compare(&manifest, &so, idl, &Origin::of(places, target)?);
        found.extend(problems.into_iter().map(|problem| (target, problem)));
    }
    if rebuild && found.is_empty() {
        let recipe = Recipe::load(places)?;
        if idl::generate(places, &recipe, &program)? != committed_idl {
            found.push((&program, Problem::RebuiltIdl));
        }
        for &(target, ref dir, _) in &artifacts {
            let problem = rebuilt(places, &recipe, target, &Manifest::read(dir)?)?;
            found.extend(problem.map(|problem| (target, problem)));
        }
    }
    if found.is_empty() {
        println!("the committed artifacts belong to the sources");
        return Ok(());
    }
    let list: String =
        found.iter().map(|(target, problem)| format!("{}: {problem}\n", target.package)).collect();
    bail!("{list}{WAY_OUT}")
}

fn read_so(dir: &Path, manifest: &Manifest) -> Result<Vec<u8>> {
    let file = dir.join(&manifest.file);
    fs::read(&file).with_context(|| format!("cannot read {}; {WAY_OUT}", file.display()))
}

/// What digests alone tell. `idl` is that of a program that has one.
fn compare(manifest: &Manifest, so: &[u8], idl: Option<&str>, origin: &Origin) -> Vec<Problem> {
    let idl = idl.map(|idl| sha256(idl.as_bytes()));
    [
        (manifest.sha256 == sha256(so) && manifest.bytes == so.len() as u64, Problem::Artifact),
        (manifest.idl_sha256 == idl, Problem::Idl),
        (manifest.source_digest == origin.source_digest, Problem::Sources),
        (manifest.dependency_digest == origin.dependency_digest, Problem::Dependencies),
    ]
    .into_iter()
    .filter_map(|(holds, problem)| (!holds).then_some(problem))
    .collect()
}

/// Builds again with the toolchain that made the artifact. Where it cannot be had, or has moved to
/// other versions, it says so and finds nothing; a build that fails is an error.
fn rebuilt(
    places: &Places,
    recipe: &Recipe,
    target: &Target,
    manifest: &Manifest,
) -> Result<Option<Problem>> {
    let package = &target.package;
    let compiler = match manifest.toolchain {
        Versions::Registry { .. } => Compiler::Registry,
        Versions::Solana { .. } => Compiler::Solana,
    };
    if let Err(error) = toolchain::ready(places, recipe, compiler) {
        println!("{package}: not rebuilt, its toolchain cannot be had here: {error:#}");
        return Ok(None);
    }
    let built = toolchain::build(places, recipe, target, compiler)?;
    if built.versions != manifest.toolchain {
        println!(
            "{package}: rebuilt, bytes not compared: made by {:?}, rebuilt by {:?}",
            manifest.toolchain, built.versions
        );
        return Ok(None);
    }
    Ok(differs(manifest, &built).or_else(|| {
        println!("{package}: rebuilt to the same bytes");
        None
    }))
}

fn differs(manifest: &Manifest, built: &Built) -> Option<Problem> {
    (sha256(&built.bytes) != manifest.sha256).then_some(Problem::RebuiltArtifact)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SO: &[u8] = b"program";
    const IDL: &str = "{}";

    fn origin() -> Origin {
        Origin { source_digest: "sources".to_owned(), dependency_digest: "packages".to_owned() }
    }

    fn manifest() -> Manifest {
        Manifest {
            program_id: Some("address".to_owned()),
            file: "program.so".to_owned(),
            bytes: 7,
            sha256: sha256(SO),
            idl_sha256: Some(sha256(IDL.as_bytes())),
            source_digest: origin().source_digest,
            dependency_digest: origin().dependency_digest,
            toolchain: Versions::Solana { cargo_build_sbf: "4".to_owned() },
        }
    }

    #[test]
    fn artifact_of_the_same_sources_has_no_problem() {
        assert_eq!(compare(&manifest(), SO, Some(IDL), &origin()), []);
    }

    #[test]
    fn altered_file_or_idl_is_found() {
        assert_eq!(compare(&manifest(), b"prograM", Some(IDL), &origin()), [Problem::Artifact]);
        assert_eq!(compare(&manifest(), SO, Some("{ }"), &origin()), [Problem::Idl]);
        let without_idl = Manifest { idl_sha256: None, ..manifest() };
        assert_eq!(compare(&without_idl, SO, Some(IDL), &origin()), [Problem::Idl]);
    }

    #[test]
    fn changed_sources_or_packages_are_found() {
        let sources = Origin { source_digest: "others".to_owned(), ..origin() };
        assert_eq!(compare(&manifest(), SO, Some(IDL), &sources), [Problem::Sources]);
        let packages = Origin { dependency_digest: "others".to_owned(), ..origin() };
        assert_eq!(compare(&manifest(), SO, Some(IDL), &packages), [Problem::Dependencies]);
    }

    #[test]
    fn other_bytes_from_the_same_toolchain_are_found() {
        let built = |bytes: &[u8]| Built { bytes: bytes.to_vec(), versions: manifest().toolchain };
        assert_eq!(differs(&manifest(), &built(SO)), None);
        assert_eq!(differs(&manifest(), &built(b"other")), Some(Problem::RebuiltArtifact));
    }

    #[test]
    fn manifest_reads_back_as_it_was_written() {
        let registry = Versions::Registry {
            rustc: "1".to_owned(),
            rust_source: "2".to_owned(),
            llvm: "3".to_owned(),
            sbpf_linker: "4".to_owned(),
        };
        for toolchain in [registry, manifest().toolchain] {
            let written = Manifest { toolchain, ..manifest() };
            let text = serde_json::to_string(&written).unwrap_or_default();
            assert_eq!(serde_json::from_str::<Manifest>(&text).ok(), Some(written));
        }
    }
}
