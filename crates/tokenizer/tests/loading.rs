//! Reading tokenizers from files as they are published, and refusing what is none.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use pinaivu_tokenizer::{LoadError, Tokenizer};
use proptest::prelude::*;
use serde_json::json;

/// Bytes of a GGUF file's metadata.
struct Gguf {
    keys: u64,
    body: Vec<u8>,
}

impl Gguf {
    const fn new() -> Self {
        Self { keys: 0, body: Vec::new() }
    }

    fn text(bytes: &mut Vec<u8>, text: &str) {
        bytes.extend((text.len() as u64).to_le_bytes());
        bytes.extend(text.as_bytes());
    }

    fn key(&mut self, name: &str, kind: u32) -> &mut Vec<u8> {
        self.keys += 1;
        Self::text(&mut self.body, name);
        self.body.extend(kind.to_le_bytes());
        &mut self.body
    }

    fn string(mut self, name: &str, value: &str) -> Self {
        Self::text(self.key(name, 8), value);
        self
    }

    fn strings(mut self, name: &str, values: &[&str]) -> Self {
        let body = self.key(name, 9);
        body.extend(8_u32.to_le_bytes());
        body.extend((values.len() as u64).to_le_bytes());
        values.iter().for_each(|value| Self::text(body, value));
        self
    }

    fn numbers(mut self, name: &str, values: &[i32]) -> Self {
        let body = self.key(name, 9);
        body.extend(5_u32.to_le_bytes());
        body.extend((values.len() as u64).to_le_bytes());
        values.iter().for_each(|value| body.extend(value.to_le_bytes()));
        self
    }

    fn number(mut self, name: &str, value: u32) -> Self {
        self.key(name, 4).extend(value.to_le_bytes());
        self
    }

    fn flag(mut self, name: &str, value: bool) -> Self {
        self.key(name, 7).push(u8::from(value));
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(3_u32.to_le_bytes());
        bytes.extend(0_u64.to_le_bytes());
        bytes.extend(self.keys.to_le_bytes());
        bytes.extend(&self.body);
        bytes
    }
}

const TEMPLATE: &str = "{% for message in messages %}{{ '<s>' + message['role'] + ' ' + \
    message['content'] + '</s>' }}{% endfor %}{% if add_generation_prompt %}{{ '<s>' }}{% endif %}";

/// Letters, a space (`Ġ`), two merges and two control tokens.
fn model() -> Gguf {
    Gguf::new()
        .string("general.name", "tiny")
        .number("general.file_type", 1)
        .string("tokenizer.ggml.model", "gpt2")
        .string("tokenizer.ggml.pre", "smollm")
        .strings(
            "tokenizer.ggml.tokens",
            &[
                "<s>", "</s>", "a", "b", "u", "s", "e", "r", "Ġ", "ab", "abab", "1", "2", "é", "Ã",
                "©",
            ],
        )
        .numbers("tokenizer.ggml.token_type", &[3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1])
        .strings("tokenizer.ggml.merges", &["a b", "ab ab"])
        .number("tokenizer.ggml.bos_token_id", 0)
        .number("tokenizer.ggml.eos_token_id", 1)
        .flag("tokenizer.ggml.add_bos_token", false)
        .string("tokenizer.chat_template", TEMPLATE)
}

fn written(bytes: &[u8]) -> (tempfile::TempDir, Result<Tokenizer, LoadError>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.gguf");
    std::fs::write(&path, bytes).unwrap();
    let loaded = Tokenizer::load(&path);
    (directory, loaded)
}

#[test]
fn pairs_are_merged_and_control_tokens_are_whole() {
    let tokenizer = written(&model().bytes()).1.unwrap();
    assert_eq!(tokenizer.vocabulary(), 16);
    for (text, tokens) in [
        ("", 0),
        ("a", 1),
        ("ab", 1),
        ("abab", 1),
        ("ababab", 2),
        // A space belongs to the word that follows.
        ("ab ab", 3),
        // Digits are never merged.
        ("12", 2),
        // Two bytes that no merge joins.
        ("é", 2),
        ("<s>ab</s>", 3),
    ] {
        assert_eq!(tokenizer.count(text), tokens, "{text:?}");
    }
}

#[test]
fn conversation_is_laid_out_by_the_template() {
    let tokenizer = written(&model().bytes()).1.unwrap();
    let plain = json!([{ "role": "user", "content": "ab" }]);
    // <s> u s e r _ ab </s> <s>
    assert_eq!(tokenizer.count_chat(&plain), Some(9));
    let parts = json!([{ "role": "user", "content": [{ "type": "text", "text": "ab" }] }]);
    assert_eq!(tokenizer.count_chat(&parts), Some(9));
    let two = json!([
        { "role": "user", "content": "ab", "name": null },
        { "role": "user", "content": "a" },
    ]);
    assert_eq!(tokenizer.count_chat(&two), Some(17));
}

#[test]
fn beginning_counts_where_the_model_wants_it() {
    let mut gguf = model();
    gguf = gguf.flag("tokenizer.ggml.add_bos_token", true);
    let tokenizer = written(&gguf.bytes()).1.unwrap();
    assert_eq!((tokenizer.count("ab"), tokenizer.count_prompt("ab")), (1, 2));
    let plain = json!([{ "role": "user", "content": "ab" }]);
    assert_eq!(tokenizer.count_chat(&plain), Some(10));
}

#[test]
fn what_is_not_text_has_no_count() {
    let tokenizer = written(&model().bytes()).1.unwrap();
    for messages in [
        json!("ab"),
        json!([{ "role": "user" }]),
        json!([{ "role": "user", "content": null }]),
        json!([{ "role": "user", "content": [{ "type": "image_url", "image_url": {} }] }]),
        json!([{ "role": "assistant", "content": "a", "tool_calls": [{}] }]),
        json!([{ "role": "tool", "content": "a", "tool_call_id": "1" }]),
    ] {
        assert_eq!(tokenizer.count_chat(&messages), None, "{messages}");
    }
}

#[test]
fn template_may_refuse_and_cannot_run_for_ever() {
    let messages = json!([{ "role": "user", "content": "ab" }]);
    for template in [
        "{{ raise_exception('roles must alternate') }}",
        "{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}",
        "{{ messages[0].nothing.of_it }}",
    ] {
        let gguf = model().string("tokenizer.chat_template", template);
        let tokenizer = written(&gguf.bytes()).1.unwrap();
        assert_eq!(tokenizer.count_chat(&messages), None, "{template}");
    }
    let broken = model().string("tokenizer.chat_template", "{% for %}");
    let error = written(&broken.bytes()).1.unwrap_err();
    assert!(matches!(error, LoadError::Template { .. }), "{error}");
}

#[test]
fn other_kinds_of_tokenizers_are_named() {
    for (key, value, kind) in [
        ("tokenizer.ggml.model", "llama", "llama"),
        ("tokenizer.ggml.pre", "tekken", "gpt2, tekken"),
    ] {
        let error = written(&model().string(key, value).bytes()).1.unwrap_err();
        assert!(matches!(&error, LoadError::Unsupported { kind: it, .. } if it == kind), "{error}");
        assert!(error.to_string().contains("tokenizer.json"), "{error}");
    }
}

#[test]
fn missing_files_and_other_formats_are_refused() {
    let error = Tokenizer::load(Path::new("/nowhere/model.gguf")).unwrap_err();
    assert!(matches!(error, LoadError::Read { .. }));
    let empty = tempfile::tempdir().unwrap();
    let error = Tokenizer::load(empty.path()).unwrap_err();
    assert!(matches!(error, LoadError::Read { .. }));
    for bytes in
        [&b""[..], b"GGUF", b"not a model", b"GGUF\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"]
    {
        let error = written(bytes).1.unwrap_err();
        assert!(matches!(error, LoadError::Malformed { .. }), "{error}");
    }
}

#[test]
fn lengths_beyond_any_model_are_refused_before_memory_is_taken() {
    let mut keys = model().bytes();
    keys[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
    let mut text = model().bytes();
    text[24..32].copy_from_slice(&u64::MAX.to_le_bytes());
    for bytes in [keys, text] {
        let error = written(&bytes).1.unwrap_err();
        assert!(matches!(error, LoadError::Malformed { .. }), "{error}");
    }
}

#[test]
fn directory_of_a_published_model_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, value: &serde_json::Value| {
        std::fs::write(directory.path().join(name), value.to_string()).unwrap();
    };
    write(
        "tokenizer.json",
        &json!({
            "version": "1.0", "truncation": null, "padding": null,
            "added_tokens": [
                { "id": 0, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false,
                  "normalized": false, "special": true },
                { "id": 1, "content": "</s>", "single_word": false, "lstrip": false, "rstrip": false,
                  "normalized": false, "special": true },
            ],
            "normalizer": null,
            "pre_tokenizer": { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true },
            "post_processor": null, "decoder": null,
            "model": { "type": "BPE", "dropout": null, "unk_token": null,
                "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false,
                "byte_fallback": false,
                "vocab": { "<s>": 0, "</s>": 1, "a": 2, "b": 3, "u": 4, "s": 5, "e": 6, "r": 7, "Ġ": 8, "ab": 9 },
                "merges": ["a b"] },
        }),
    );
    // Without a template plain texts are counted, conversations are not.
    let tokenizer = Tokenizer::load(directory.path()).unwrap();
    let messages = json!([{ "role": "user", "content": "ab" }]);
    assert_eq!((tokenizer.count("abab"), tokenizer.count_chat(&messages)), (2, None));
    write(
        "tokenizer_config.json",
        &json!({ "bos_token": "<s>", "eos_token": { "content": "</s>" }, "chat_template":
            "{{ bos_token }}{{ messages[0].role }} {{ messages[0].content.strip() }}{{ eos_token }}" }),
    );
    let tokenizer = Tokenizer::load(directory.path()).unwrap();
    assert_eq!(tokenizer.count_chat(&messages), Some(8));
    std::fs::write(directory.path().join("chat_template.jinja"), "{{ eos_token }}").unwrap();
    let tokenizer = Tokenizer::load(directory.path()).unwrap();
    assert_eq!(tokenizer.count_chat(&messages), Some(1));
}

proptest! {
    #[test]
    fn damaged_file_is_read_or_refused(at in 0_usize..1_000, byte: u8, cut in 0_usize..2_000) {
        let mut bytes = model().bytes();
        let place = at % bytes.len();
        bytes[place] = byte;
        bytes.truncate(cut.max(1));
        if let Ok(tokenizer) = written(&bytes).1 {
            let _ = tokenizer.count("abab é <s> 12");
        }
    }
}
