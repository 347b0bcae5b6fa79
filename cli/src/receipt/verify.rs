//! The checks themselves: pure, one line each, none of them taking the coordinator's word.

use pinaivu_attestation::{Evidence as Attestation, Expected, Policy, VerifyError};
use pinaivu_log::bundle::{Document, Entry};
use pinaivu_log::{cosignature, origin};
use pinaivu_protocol::commitment::{request_commitment_raw, response_commitment};
use pinaivu_protocol::merkle::verify_inclusion;
use serde::Serialize;

use super::evidence::{ChainFacts, Evidence};
use crate::checks::{Check, Checks};

/// All checks of a document.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// The request.
    pub request_id: String,
    /// Whether nothing failed.
    pub verified: bool,
    /// In order, segment by segment.
    pub checks: Vec<Check>,
}

impl Report {
    /// Whether nothing failed.
    pub(crate) const fn passed(&self) -> bool {
        self.verified
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("receipt of {}", self.request_id);
        for check in &self.checks {
            text.push_str(&format!("\n  {check}"));
        }
        let verdict = if self.verified { "verified" } else { "NOT verified" };
        text.push_str(&format!("\n{verdict}"));
        text
    }
}

/// Checks every receipt of the document.
pub(crate) fn verify(document: &Document, facts: &ChainFacts, evidence: &Evidence) -> Report {
    let mut checks = Checks::default();
    if facts.signer_claimed {
        checks.skip(
            "coordinator key",
            format!("{} is what the bundle says; give --signer to check it", facts.signer),
        );
    }
    for (number, entry) in document.entries.iter().enumerate() {
        check_parties(&mut checks, document, entry, facts);
        check_coordinator(&mut checks, entry, facts);
        check_node(&mut checks, entry, facts);
        check_request(&mut checks, entry, evidence);
        check_answer(&mut checks, document, entry, evidence);
        check_checkpoint(&mut checks, entry, facts, number);
        check_log(&mut checks, entry, facts);
        check_attestation(&mut checks, document, entry, facts);
    }
    let verified = checks.hold();
    Report { request_id: document.request_id.clone(), verified, checks: checks.into_list() }
}

fn check_parties(checks: &mut Checks, document: &Document, entry: &Entry, facts: &ChainFacts) {
    let head = &entry.receipt.head.record;
    checks.add(
        "request id",
        head.request.to_string() == document.request_id,
        "the receipt is for this request",
        format!("the receipt is for {}", head.request),
    );
    match (facts.deployment, &facts.coordinator) {
        (Some(deployment), Some(coordinator)) => checks.add(
            "cluster and program",
            head.deployment == deployment && head.coordinator == coordinator.id,
            "signed for this cluster, program and coordinator",
            "signed for another cluster, program or coordinator",
        ),
        _ => checks.skip("cluster and program", "offline"),
    }
}

fn check_coordinator(checks: &mut Checks, entry: &Entry, facts: &ChainFacts) {
    let receipt = &entry.receipt;
    checks.result(
        "coordinator signature",
        receipt.head.verify(&facts.signer).map(|_| ()),
        &format!("signed by {}", facts.signer),
    );
    checks.result(
        "contents",
        receipt.check_consistency(),
        "the body is the signed one; tokens × price = amount; the fee is its rate",
    );
}

fn check_node(checks: &mut Checks, entry: &Entry, facts: &ChainFacts) {
    const NAME: &str = "node proof";
    let receipt = &entry.receipt;
    let Some(statement) = &receipt.body.statement else {
        checks.skip(NAME, format!("the node gave none (outcome: {:?})", receipt.body.outcome));
        return;
    };
    if let Err(error) = statement.evidence.verify(&statement.proof) {
        checks.add(NAME, false, "", error.to_string());
        return;
    }
    let signer = statement.evidence.signer;
    let node = receipt.head.record.node;
    match facts.nodes.iter().find(|found| found.id == node) {
        Some(found) if found.signer == signer => {
            checks.add(NAME, true, format!("signed by the node's key on chain, {signer}"), "")
        }
        // A key can be rotated after it signed; the account then names the newer one, and the program
        // keeps a record of the older.
        Some(_) if facts.former_keys.contains(&(node, signer)) => checks.add(
            NAME,
            true,
            format!("signed by {signer}, which the chain says was the node's before it rotated"),
            "",
        ),
        Some(found) => checks.add(
            NAME,
            false,
            "",
            format!("signed by {signer}, but the node's key on chain is {}", found.signer),
        ),
        None if facts.deployment.is_none() => checks.add(
            NAME,
            true,
            format!("signed by {signer}; that this is the node's key is not checked offline"),
            "",
        ),
        None => checks.add(NAME, false, "", format!("node {node} is not on chain")),
    }
}

fn check_request(checks: &mut Checks, entry: &Entry, evidence: &Evidence) {
    const NAME: &str = "your request";
    let (Some(request), Some(salt)) = (&evidence.request, &evidence.salt) else {
        checks.skip(NAME, "give --request to check it");
        return;
    };
    match request_commitment_raw(salt, request) {
        Ok(commitment) => checks.add(
            NAME,
            commitment == entry.receipt.body.request_commitment,
            "is the one that was served",
            "is not the one that was served",
        ),
        Err(error) => checks.add(NAME, false, "", error.to_string()),
    }
}

fn check_answer(checks: &mut Checks, document: &Document, entry: &Entry, evidence: &Evidence) {
    const NAME: &str = "your answer";
    let (Some(answer), Some(salt)) = (&evidence.answer, &evidence.salt) else {
        checks.skip(NAME, "give --answer to check it");
        return;
    };
    if document.entries.len() > 1 {
        checks
            .skip(NAME, "the answer was continued by another node; its parts cannot be told apart");
        return;
    }
    let body = &entry.receipt.body;
    // Usage is part of what was committed, and an answer may lack it: the client did not ask for it, or
    // the stream broke off. What the receipt and the node counted are the only values it can have had.
    let mut counts = vec![(body.input_tokens, body.output_tokens)];
    if let Some(statement) = &body.statement {
        counts.push((statement.proof.input_tokens, statement.proof.output_tokens));
    }
    let with_counts =
        counts.into_iter().map(|(input, output)| answer.clone().with_usage(input, output));
    let served = std::iter::once(answer.clone())
        .chain(with_counts)
        .any(|answer| response_commitment(salt, &answer) == body.response_commitment);
    checks.add(NAME, served, "is the one that was served", "is not the one that was served");
}

fn check_checkpoint(checks: &mut Checks, entry: &Entry, facts: &ChainFacts, number: usize) {
    const NAME: &str = "signed log head";
    let head = &entry.receipt.head.record;
    let Some(proof) = &entry.proof else {
        checks.skip(NAME, "the document has no proof to one; `receipt bundle` makes one");
        return;
    };
    let origin = origin(head.coordinator, head.epoch);
    let checkpoint = match proof.verify(&entry.receipt.leaf(), &origin, facts.signer) {
        Ok(checkpoint) if proof.index == head.index => checkpoint,
        Ok(_) => {
            checks.add(NAME, false, "", "the proof is of another place in the log");
            return;
        }
        Err(error) => {
            checks.add(NAME, false, "", error.to_string());
            return;
        }
    };
    checks.add(
        NAME,
        true,
        format!("entry {} of {} under a head the coordinator signed", head.index, checkpoint.size),
        "",
    );
    for witness in &facts.witnesses {
        match cosignature::verify(&proof.checkpoint, &checkpoint, witness) {
            Ok(time) => {
                checks.add("witness", true, format!("{} saw it at {time}", witness.name()), "");
            }
            Err(error) => checks.add("witness", false, "", error.to_string()),
        }
    }
    if facts.witnesses.is_empty() {
        checks.skip("witness", "give --witness to check who else saw the head");
    }
    match facts.extended.get(number) {
        Some(Some(Ok(()))) => {
            checks.add("head on chain", true, "the chain's log extends the signed head", "");
        }
        Some(Some(Err(error))) => checks.add("head on chain", false, "", error.clone()),
        Some(None) => checks.skip("head on chain", "the chain's log does not reach it yet"),
        None => checks.skip("head on chain", "offline"),
    }
}

fn check_log(checks: &mut Checks, entry: &Entry, facts: &ChainFacts) {
    const NAME: &str = "log on chain";
    let head = &entry.receipt.head.record;
    let Some(inclusion) = &entry.inclusion else {
        checks.skip(NAME, "the document has no path into the log");
        return;
    };
    let included = inclusion.index == head.index
        && inclusion.epoch == head.epoch
        && verify_inclusion(
            &entry.receipt.leaf(),
            inclusion.index,
            inclusion.size,
            &inclusion.path,
            &inclusion.root,
        )
        .is_ok();
    if !included {
        checks.add(NAME, false, "", "the receipt is not under the log root given with it");
        return;
    }
    let Some(coordinator) = &facts.coordinator else {
        checks.skip(NAME, "under the root given with it; offline, the chain's root is not known");
        return;
    };
    let log = &coordinator.log;
    if log.epoch == head.epoch && log.size <= head.index {
        checks.skip(NAME, format!("the chain has {} receipts so far; this one is next", log.size));
    } else if log.epoch == inclusion.epoch && log.size == inclusion.size {
        checks.add(
            NAME,
            log.root == inclusion.root,
            format!("entry {} of {} under the root on chain", head.index, log.size),
            "the root on chain is another one",
        );
    } else {
        checks.skip(
            NAME,
            format!("its path leads to {} receipts, the chain has {}", inclusion.size, log.size),
        );
    }
}

fn check_attestation(checks: &mut Checks, document: &Document, entry: &Entry, facts: &ChainFacts) {
    const NAME: &str = "attestation";
    let (head, body) = (&entry.receipt.head.record, &entry.receipt.body);
    let Some(hash) = body.attestation else {
        checks.skip(NAME, "the coordinator was unattested");
        return;
    };
    let Some(bytes) = document.attestation.get(&hash.to_string()) else {
        checks.skip(NAME, format!("evidence {hash} is not with the document"));
        return;
    };
    if Attestation::hash(bytes) != hash {
        checks.add(NAME, false, "", "the evidence is not the one that the receipt names");
        return;
    }
    let evidence = match Attestation::decode(bytes) {
        Ok(evidence) => evidence,
        Err(error) => {
            checks.add(NAME, false, "", error.to_string());
            return;
        }
    };
    let expected = Expected {
        deployment: head.deployment,
        coordinator: head.coordinator,
        signer: facts.signer,
        // Who held which session's certificate does not concern a receipt.
        tls_key: None,
        configuration: None,
        nonce: None,
    };
    // As it was when the receipt was made: certificates live for hours.
    let policy = Policy::strict(body.created, &facts.measurements);
    match pinaivu_attestation::verify(&evidence, &expected, &policy) {
        Ok(attested) => {
            let detail = format!("{} vouched for code {}", attested.kind, attested.measurement);
            checks.add(NAME, true, detail, "");
        }
        Err(VerifyError::Measurement(measurement)) if facts.measurements.is_empty() => {
            let why = format!(
                "{} vouched for code {measurement}; give --measurement to say which you accept",
                evidence.kind
            );
            checks.skip(NAME, why);
        }
        Err(error) => checks.add(NAME, false, "", error.to_string()),
    }
}
