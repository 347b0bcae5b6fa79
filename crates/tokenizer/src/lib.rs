//! How many tokens a prompt and an answer are, counted with the model's own tokenizer.
//!
//! Nodes say what they counted; whoever pays wants to count again. A [`Tokenizer`] is read from what a model
//! is published with: a GGUF file, which holds vocabulary and chat template, or a directory of Hugging
//! Face with `tokenizer.json` and the template. It knows text only: where a server puts tools, images or a
//! format into the prompt in its own way, there is no count. Pure computation; nothing is read after
//! loading.

mod error;
mod gguf;
mod hub;
mod template;
mod vocabulary;

use std::path::Path;

pub use error::LoadError;
use template::Template;

/// A model's tokenizer and chat template.
pub struct Tokenizer {
    model: tokenizers::Tokenizer,
    /// None where the model is published without.
    template: Option<Template>,
    /// Whether every text begins with a token that stands for its beginning.
    begins: bool,
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokenizer").field("vocabulary", &self.vocabulary()).finish_non_exhaustive()
    }
}

impl Tokenizer {
    /// Reads a GGUF file, or a directory with `tokenizer.json`.
    ///
    /// # Errors
    /// [`LoadError`], which says what is missing.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        if path.is_dir() { hub::load(path) } else { gguf::load(path) }
    }

    /// Tokens in the vocabulary, special ones included.
    #[must_use]
    pub fn vocabulary(&self) -> usize {
        self.model.get_vocab_size(true)
    }

    /// Tokens of a text as a model writes it: nothing is added. Control tokens that the text spells out
    /// count as one each, which is the fewest they can be.
    #[must_use]
    pub fn count(&self, text: &str) -> u32 {
        let encoded = self.model.encode_fast(text, false);
        // Byte-level vocabularies have a token for everything.
        encoded.map_or(u32::MAX, |tokens| u32::try_from(tokens.len()).unwrap_or(u32::MAX))
    }

    /// Tokens of a plain prompt (`/v1/completions`, `/v1/embeddings`), with that for its beginning.
    #[must_use]
    pub fn count_prompt(&self, text: &str) -> u32 {
        self.count(text).saturating_add(u32::from(self.begins))
    }

    /// Tokens of a conversation in the form of the chat API (an array of `role` and `content`), as the
    /// template lays it out with the beginning of the answer. Nothing where the content is not text, and
    /// where the template refuses the conversation or there is none.
    #[must_use]
    pub fn count_chat(&self, messages: &serde_json::Value) -> Option<u32> {
        let text = self.template.as_ref()?.render(messages)?;
        Some(self.count_prompt(&text))
    }
}
