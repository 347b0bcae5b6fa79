//! Byte-pair tokenizers out of a vocabulary and its merges.
//!
//! How text is cut before pairs are merged is in a GGUF file only as a name. The patterns for the names
//! are those of llama.cpp (`src/llama-vocab.cpp`), which are those of the models' own `tokenizer.json`.

use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, SplitDelimiterBehavior};

/// GPT-2's, which most byte-level models share.
const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
/// Every digit by itself.
const DIGIT: &str = r"\p{N}";
/// Llama 3's: at most three digits together.
const LLAMA3: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Qwen 2's: every digit by itself.
const QWEN2: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// One token as the file has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry<'a> {
    /// Made by merging.
    Plain(&'a str),
    /// Stands for itself in text and is never cut.
    Whole(&'a str),
    /// The same, and not text: it frames messages.
    Control(&'a str),
}

impl<'a> Entry<'a> {
    /// By the number of its kind in GGUF (`llama_token_type`).
    pub(crate) const fn of(text: &'a str, kind: Option<u32>) -> Self {
        match kind {
            Some(3) => Self::Control(text),
            Some(4) => Self::Whole(text),
            _ => Self::Plain(text),
        }
    }

    const fn text(self) -> &'a str {
        let (Self::Plain(text) | Self::Whole(text) | Self::Control(text)) = self;
        text
    }
}

/// What a tokenizer is made of.
#[derive(Clone, Debug)]
pub(crate) struct Vocabulary<'a> {
    /// By id.
    pub(crate) entries: Vec<Entry<'a>>,
    /// Each two parts with a space between.
    pub(crate) merges: &'a [String],
    /// Name of the way text is cut.
    pub(crate) pre: &'a str,
}

/// Why there is none.
#[derive(Debug)]
pub(crate) enum Unbuildable {
    /// An unknown way of cutting.
    Pre,
    /// The tables do not fit together.
    Tables(Box<dyn std::error::Error + Send + Sync>),
}

impl Vocabulary<'_> {
    /// Makes it.
    pub(crate) fn build(&self) -> Result<tokenizers::Tokenizer, Unbuildable> {
        let patterns = patterns(self.pre).ok_or(Unbuildable::Pre)?;
        let texts = self.entries.iter().map(|entry| entry.text().to_owned());
        let ids: Vocab = texts.zip(0_u32..).collect();
        let merges: Option<Vec<(String, String)>> = self.merges.iter().map(|it| pair(it)).collect();
        let merges =
            merges.ok_or_else(|| Unbuildable::Tables("a merge is not two parts".into()))?;
        let pairs = BPE::builder().vocab_and_merges(ids, merges).build();
        let mut tokenizer = tokenizers::Tokenizer::new(pairs.map_err(Unbuildable::Tables)?);
        let mut cuts: Vec<PreTokenizerWrapper> = Vec::new();
        for pattern in patterns {
            let pattern = SplitPattern::Regex((*pattern).to_owned());
            let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false);
            cuts.push(split.map_err(Unbuildable::Tables)?.into());
        }
        cuts.push(ByteLevel::new(false, false, false).into());
        tokenizer.with_pre_tokenizer(Some(Sequence::new(cuts)));
        let mut special = Vec::new();
        let mut whole = Vec::new();
        for entry in &self.entries {
            match entry {
                Entry::Plain(_) => {}
                Entry::Whole(text) => whole.push(AddedToken::from(*text, false).normalized(false)),
                Entry::Control(text) => special.push(AddedToken::from(*text, true)),
            }
        }
        tokenizer.add_special_tokens(special).map_err(Unbuildable::Tables)?;
        tokenizer.add_tokens(whole).map_err(Unbuildable::Tables)?;
        Ok(tokenizer)
    }
}

fn pair(merge: &str) -> Option<(String, String)> {
    // A part may itself begin with what looks like a space only in other alphabets: bytes are spelled
    // without spaces here, so the first one after the first character divides.
    let at = merge.char_indices().skip(1).find(|(_, it)| *it == ' ')?.0;
    let (left, right) = merge.split_at_checked(at)?;
    Some((left.to_owned(), right.get(1..)?.to_owned()))
}

fn patterns(pre: &str) -> Option<&'static [&'static str]> {
    Some(match pre {
        "gpt-2" | "default" | "phi-2" | "olmo" => &[GPT2],
        "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" => &[DIGIT, GPT2],
        "llama-bpe" | "llama3" | "llama-v3" | "smaug-bpe" | "falcon3" => &[LLAMA3],
        "qwen2" | "deepseek-r1-qwen" | "megrez" | "hunyuan" => &[QWEN2],
        _ => return None,
    })
}
