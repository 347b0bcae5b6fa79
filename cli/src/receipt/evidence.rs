//! What a receipt is checked against: the person's own request and answer, and the chain.

use std::path::Path;

use anyhow::{Context as _, bail};
use pinaivu_chain::{Coordinator, Node};
use pinaivu_log::note::NoteKey;
use pinaivu_protocol::answer::{Answer, AnswerAssembler};
use pinaivu_protocol::commitment::Salt;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{DeploymentId, NodeId, PublicKey};
use serde_json::Value;

/// What the person holds.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    /// The request body, as sent.
    pub request: Option<Vec<u8>>,
    /// The answer in canonical form.
    pub answer: Option<Answer>,
    /// The salt of both commitments.
    pub salt: Option<Salt>,
}

/// What the chain says.
#[derive(Debug)]
pub(crate) struct ChainFacts {
    /// Cluster and program; nothing when offline.
    pub deployment: Option<DeploymentId>,
    /// The coordinator's hot key.
    pub signer: PublicKey,
    /// The coordinator's account; nothing when offline.
    pub coordinator: Option<Coordinator>,
    /// The accounts of the nodes that the receipts name, as far as they exist.
    pub nodes: Vec<Node>,
    /// Keys that the chain says were these nodes' before they rotated.
    pub former_keys: Vec<(NodeId, PublicKey)>,
    /// The signer is only what the document says.
    pub signer_claimed: bool,
    /// Witnesses the person trusts.
    pub witnesses: Vec<NoteKey>,
    /// Receipt by receipt, whether the chain's log extends the head in its proof; nothing where that
    /// could not be looked at.
    pub extended: Vec<Option<Result<(), String>>>,
    /// Measurements of code that is accepted: the market's list, or what the person gave.
    pub measurements: Vec<Hash32>,
}

impl ChainFacts {
    /// Only the key the person trusts.
    pub(crate) const fn offline(signer: PublicKey) -> Self {
        Self {
            deployment: None,
            signer,
            coordinator: None,
            nodes: Vec::new(),
            former_keys: Vec::new(),
            signer_claimed: false,
            witnesses: Vec::new(),
            extended: Vec::new(),
            measurements: Vec::new(),
        }
    }
}

impl Evidence {
    /// Reads the person's files; a salt in the answer is found by itself.
    pub(crate) fn read(
        request: Option<&Path>,
        answer: Option<&Path>,
        salt: Option<Salt>,
    ) -> anyhow::Result<Self> {
        let request = request
            .map(|path| {
                std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
            })
            .transpose()?;
        let mut evidence = Self { request, answer: None, salt };
        if let Some(path) = answer {
            let bytes =
                std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            evidence
                .read_answer(&bytes)
                .with_context(|| format!("{} is not an answer", path.display()))?;
        }
        if (evidence.request.is_some() || evidence.answer.is_some()) && evidence.salt.is_none() {
            bail!(
                "the salt is needed to check a request or an answer: --salt, from x-pinaivu-salt"
            );
        }
        Ok(evidence)
    }

    fn read_answer(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let chunks = match serde_json::from_slice::<Value>(bytes) {
            Ok(Value::Array(chunks)) => chunks,
            Ok(completion @ Value::Object(_)) => {
                self.find_salt(&completion);
                self.answer = Some(Answer::from_completion(&completion)?);
                return Ok(());
            }
            Ok(_) => bail!("expected a JSON object, an array of chunks, or an event stream"),
            Err(_) => events(bytes)?,
        };
        let mut assembler = AnswerAssembler::new();
        for chunk in &chunks {
            self.find_salt(chunk);
            assembler.push(chunk)?;
        }
        self.answer = Some(assembler.finish());
        Ok(())
    }

    fn find_salt(&mut self, object: &Value) {
        if self.salt.is_none()
            && let Some(text) = object["pinaivu"]["salt"].as_str()
        {
            self.salt = text.parse().ok();
        }
    }
}

/// The chunks of an event stream kept as text.
fn events(bytes: &[u8]) -> anyhow::Result<Vec<Value>> {
    let text = std::str::from_utf8(bytes).context("not text")?;
    let mut chunks = Vec::new();
    for line in text.lines() {
        let Some(data) = line.strip_prefix("data:") else { continue };
        let data = data.trim();
        if data != "[DONE]" {
            chunks.push(serde_json::from_str(data).context("an event is not JSON")?);
        }
    }
    if chunks.is_empty() {
        bail!("it holds no events");
    }
    Ok(chunks)
}
