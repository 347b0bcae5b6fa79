//! What a receipt is checked against: the person's own request and answer, and the chain.

use std::path::Path;

use anyhow::{Context as _, bail};
use pinaivu_chain::{Coordinator, Node};
use pinaivu_log::note::NoteKey;
use pinaivu_protocol::answer::{Answer, AnswerAssembler};
use pinaivu_protocol::commitment::Salt;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{DeploymentId, NodeId, ProgramId, PublicKey};
use pinaivu_protocol::units::Bps;
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

/// How the log on chain stands to a receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Anchored {
    /// It covers it.
    Covered {
        /// Leaves under the root.
        size: u64,
        /// The root on chain.
        root: Hash32,
        /// The way there, or why there is none.
        path: Result<Vec<Hash32>, String>,
    },
    /// It does not reach it yet.
    NotYet {
        /// Leaves it has.
        size: u64,
    },
    /// It is not known, and why.
    Unknown(String),
}

/// Whether a signed head and the log on chain are one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Extended {
    /// They are.
    Holds,
    /// They are not, or it is not shown that they are.
    Contradicts(String),
    /// It is not known, and why.
    Unknown(String),
}

/// What the chain says.
#[derive(Debug)]
pub(crate) struct ChainFacts {
    /// Cluster and program; nothing when offline.
    pub deployment: Option<DeploymentId>,
    /// The program; nothing when offline.
    pub program: Option<ProgramId>,
    /// The coordinator's hot key.
    pub signer: PublicKey,
    /// Keys that the chain, or the person, says were the coordinator's before it rotated.
    pub former_signers: Vec<PublicKey>,
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
    /// Receipt by receipt; nothing when offline.
    pub anchored: Vec<Anchored>,
    /// Receipt by receipt, of the head in its proof; nothing when offline.
    pub extended: Vec<Extended>,
    /// The rate of the coordinator's fees; nothing when offline.
    pub fee_rate: Option<Bps>,
    /// Measurements of code that is accepted: the market's list, or what the person gave.
    pub measurements: Vec<Hash32>,
}

impl ChainFacts {
    /// Every key that may have signed the coordinator's receipts, today's first.
    pub(crate) fn signers(&self) -> impl Iterator<Item = PublicKey> {
        std::iter::once(self.signer).chain(self.former_signers.iter().copied())
    }

    /// Only the key the person trusts.
    pub(crate) const fn offline(signer: PublicKey) -> Self {
        Self {
            deployment: None,
            program: None,
            signer,
            former_signers: Vec::new(),
            coordinator: None,
            nodes: Vec::new(),
            former_keys: Vec::new(),
            signer_claimed: false,
            witnesses: Vec::new(),
            anchored: Vec::new(),
            extended: Vec::new(),
            fee_rate: None,
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
