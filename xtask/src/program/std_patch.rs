//! Patches the standard library's source for a machine without writable statics.
//!
//! A patch applies whole or not at all: text that is missing, or there twice, means another release
//! than the one the patches were written for.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::recipe::StdPatch;

/// Applies every patch to the tree at `library`.
pub(crate) fn apply(library: &Path, patches: &[StdPatch]) -> Result<()> {
    for patch in patches {
        let path = library.join(&patch.file);
        let source = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {} to patch it", path.display()))?;
        let patched =
            patched(&source, patch).with_context(|| format!("cannot patch {}", path.display()))?;
        std::fs::write(&path, patched)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn patched(source: &str, patch: &StdPatch) -> Result<String> {
    let found = source.matches(&patch.find).count();
    ensure!(
        found == 1,
        "the text to replace occurs {found} times instead of once; the patch says: {}",
        patch.why
    );
    Ok(source.replacen(&patch.find, &patch.replace, 1))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn patch(find: &str) -> StdPatch {
        StdPatch {
            why: "reason".to_owned(),
            file: "file.rs".to_owned(),
            find: find.to_owned(),
            replace: "new".to_owned(),
        }
    }

    #[test]
    fn text_found_once_is_replaced() {
        assert_eq!(patched("a old b", &patch("old")).unwrap(), "a new b");
    }

    #[test]
    fn text_missing_or_twice_is_refused() {
        for source in ["a b", "old old"] {
            assert!(patched(source, &patch("old")).is_err());
        }
    }
}
