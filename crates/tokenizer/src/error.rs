//! Why a tokenizer cannot be had.

use std::path::PathBuf;

/// See the module.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file cannot be read.
    #[error("{path} cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Not what its name says.
    #[error("{path} is not {expected}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What was expected.
        expected: &'static str,
        /// Why, where a parser says so.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// A tokenizer of a kind that is not built from GGUF here.
    #[error(
        "{path} has a tokenizer of the kind {kind:?}, which is read only from the model's \
         tokenizer.json: give the directory that holds it"
    )]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// `tokenizer.ggml.model`, and `tokenizer.ggml.pre` where that is what is not known.
        kind: String,
    },
    /// The chat template cannot be compiled.
    #[error("the chat template of {path} cannot be read")]
    Template {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: Box<minijinja::Error>,
    },
}
