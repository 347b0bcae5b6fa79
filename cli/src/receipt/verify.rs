//! The checks themselves: pure, one line each, none of them taking the coordinator's word.

use pinaivu_attestation::{Evidence as Attestation, Expected, Policy, VerifyError};
use pinaivu_auction::clearing_price;
use pinaivu_log::bundle::{Document, Entry};
use pinaivu_log::{cosignature, origin};
use pinaivu_protocol::commitment::{request_commitment_raw, response_commitment};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{CoordinatorId, ProgramId, PublicKey};
use pinaivu_protocol::merkle::verify_inclusion;
use pinaivu_protocol::units::TokenPrice;
use serde::Serialize;

use super::evidence::{Anchored, ChainFacts, Evidence, Extended};
use crate::checks::{Check, Checks, Verdict};

/// All checks of a document.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// The request.
    pub request_id: String,
    /// The coordinator whose account was read; nothing when offline.
    pub coordinator: Option<CoordinatorId>,
    /// The program that it belongs to; nothing when offline.
    pub program: Option<ProgramId>,
    /// Whether nothing failed, and somebody the person trusts vouches for the coordinator's key.
    pub verified: bool,
    /// In order, segment by segment.
    pub checks: Vec<Check>,
}

impl Report {
    /// Whether nothing failed.
    pub(crate) fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.verdict != Verdict::Failed)
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("receipt of {}", self.request_id);
        if let Some((coordinator, program)) = self.coordinator.zip(self.program) {
            text.push_str(&format!("\nby coordinator {coordinator} of program {program}"));
        }
        for check in &self.checks {
            text.push_str(&format!("\n  {check}"));
        }
        let verdict = match (self.verified, self.passed()) {
            (true, _) => "verified",
            (false, true) => "consistent; nobody vouches for the coordinator's key",
            (false, false) => "NOT verified",
        };
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
        let signer = check_coordinator(&mut checks, entry, facts);
        check_prices(&mut checks, entry, facts);
        check_node(&mut checks, entry, facts);
        check_request(&mut checks, entry, evidence);
        check_answer(&mut checks, document, entry, evidence);
        check_checkpoint(&mut checks, entry, facts, number);
        check_log(&mut checks, entry, facts, number);
        check_attestation(&mut checks, document, entry, facts, signer);
    }
    Report {
        request_id: document.request_id.clone(),
        coordinator: facts.coordinator.as_ref().map(|account| account.id),
        program: facts.program,
        verified: checks.hold() && !facts.signer_claimed,
        checks: checks.into_list(),
    }
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

/// Gives the key that signed the receipt, or today's when none did.
fn check_coordinator(checks: &mut Checks, entry: &Entry, facts: &ChainFacts) -> PublicKey {
    const NAME: &str = "coordinator signature";
    let receipt = &entry.receipt;
    let signer = facts.signers().find(|key| receipt.head.verify(key).is_ok());
    match signer {
        Some(key) if key == facts.signer => {
            checks.add(NAME, true, format!("signed by {key}"), "");
        }
        // A key can be rotated after it signed; the program keeps a record of the older.
        Some(key) => checks.add(
            NAME,
            true,
            format!("signed by {key}, which was the coordinator's before it rotated"),
            "",
        ),
        None => checks.result(NAME, receipt.head.verify(&facts.signer).map(|_| ()), ""),
    }
    checks.result(
        "contents",
        receipt.check_consistency(),
        "the body is the signed one; tokens × price = amount; the fee is its rate",
    );
    signer.unwrap_or(facts.signer)
}

/// The rules of price and fee that a receipt shows by itself.
fn check_prices(checks: &mut Checks, entry: &Entry, facts: &ChainFacts) {
    const PRICE: &str = "price";
    let body = &entry.receipt.body;
    let (price, ask) = (body.tariff.price, body.auction.winner_ask);
    if body.auction.candidates == 0 {
        checks.skip(PRICE, "made after a crash; no auction is known");
    } else {
        checks.add(
            PRICE,
            price >= ask && price <= clearing_price(ask, Some(TokenPrice::MAX), None),
            format!("{price} is between the winner's ask, {ask}, and a tenth more"),
            format!("{price} is not between the winner's ask, {ask}, and a tenth more"),
        );
    }
    if let Some(rate) = facts.fee_rate {
        checks.add(
            "fee rate",
            body.fee_rate == rate,
            format!("{} bps, as on chain", rate.0),
            format!("{} bps, on chain it is {} bps", body.fee_rate.0, rate.0),
        );
    }
}

fn check_node(checks: &mut Checks, entry: &Entry, facts: &ChainFacts) {
    const KEY: &str = "node key";
    let receipt = &entry.receipt;
    let Some(statement) = &receipt.body.statement else {
        checks.skip(
            "node proof",
            format!("the node gave none (outcome: {:?})", receipt.body.outcome),
        );
        return;
    };
    let signer = statement.evidence.signer;
    let proven = statement.evidence.verify(&statement.proof);
    let holds = proven.is_ok();
    checks.result("node proof", proven, &format!("signed by {signer}"));
    if !holds {
        return;
    }
    let node = receipt.head.record.node;
    match facts.nodes.iter().find(|found| found.id == node) {
        Some(found) if found.signer == signer => {
            checks.add(KEY, true, format!("the key of node {node} on chain"), "");
        }
        // A key can be rotated after it signed; the account then names the newer one, and the program
        // keeps a record of the older.
        Some(_) if facts.former_keys.contains(&(node, signer)) => {
            checks.add(KEY, true, format!("the key of node {node} on chain before it rotated"), "")
        }
        Some(found) => checks.add(
            KEY,
            false,
            "",
            format!("{signer} signed, the node's key on chain is {}", found.signer),
        ),
        None if facts.deployment.is_none() => checks.skip(KEY, "offline"),
        // Closed, or never there: the audit of the whole log tells one from the other.
        None => checks.skip(KEY, format!("the chain has no account of node {node}")),
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
        checks.skip(NAME, "there is no proof to one; `receipt bundle` makes one");
        return;
    };
    let origin = origin(head.coordinator, head.epoch);
    let leaf = entry.receipt.leaf();
    let opened = facts.signers().find_map(|key| proof.verify(&leaf, &origin, key).ok());
    let opened = opened.map_or_else(|| proof.verify(&leaf, &origin, facts.signer), Ok);
    let checkpoint = match opened {
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
        Some(Extended::Holds) => {
            checks.add("head on chain", true, "the chain's log and the signed head are one", "");
        }
        Some(Extended::Contradicts(error)) => {
            checks.add("head on chain", false, "", error.clone());
        }
        Some(Extended::Unknown(why)) => checks.skip("head on chain", why.clone()),
        None => checks.skip("head on chain", "offline"),
    }
}

fn check_log(checks: &mut Checks, entry: &Entry, facts: &ChainFacts, number: usize) {
    const NAME: &str = "log on chain";
    let head = &entry.receipt.head.record;
    let leaf = entry.receipt.leaf();
    let brought = entry.inclusion.as_ref().map(|way| {
        (way.index, way.epoch) == (head.index, head.epoch)
            && verify_inclusion(&leaf, way.index, way.size, &way.path, &way.root).is_ok()
    });
    if brought == Some(false) {
        checks.add(NAME, false, "", "the receipt is not under the log root given with it");
        return;
    }
    match facts.anchored.get(number) {
        Some(Anchored::Covered { size, root, path: Ok(path) }) => checks.add(
            NAME,
            verify_inclusion(&leaf, head.index, *size, path, root).is_ok(),
            format!("entry {} of {size} under the root on chain", head.index),
            "another entry is in its place under the root on chain",
        ),
        Some(Anchored::Covered { path: Err(why), .. }) => checks.add(
            NAME,
            false,
            "",
            format!("the chain covers it, the coordinator does not show how: {why}"),
        ),
        Some(Anchored::NotYet { size }) => {
            checks.skip(NAME, format!("the chain has {size} receipts so far; this one is next"));
        }
        Some(Anchored::Unknown(why)) => checks.skip(NAME, why.clone()),
        None if brought.is_some() => checks
            .skip(NAME, "under the root given with it; offline, the chain's root is not known"),
        None => checks.skip(NAME, "offline, the chain's root is not known"),
    }
}

fn check_attestation(
    checks: &mut Checks,
    document: &Document,
    entry: &Entry,
    facts: &ChainFacts,
    signer: PublicKey,
) {
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
        signer,
        // Who held which session's certificate does not concern a receipt.
        tls_key: None,
        configuration: None,
        nonce: None,
    };
    // As it was when the receipt was made: certificates live for hours.
    let named = facts.coordinator.as_ref().map(|account| account.measurement);
    let named = named.filter(|named| *named != Hash32::ZERO);
    let accepted: Vec<Hash32> = facts.measurements.iter().copied().chain(named).collect();
    let policy = Policy::strict(body.created, &accepted);
    match pinaivu_attestation::verify(&evidence, &expected, &policy) {
        Ok(attested) => {
            let detail = format!("{} vouched for code {}", attested.kind, attested.measurement);
            checks.add(NAME, true, detail, "");
        }
        // What is accepted today says nothing of what was accepted then.
        Err(VerifyError::Measurement(measurement)) if facts.coordinator.is_some() => checks.skip(
            NAME,
            format!(
                "{} vouched for code {measurement}, which neither the account names nor the market's \
                 list has today",
                evidence.kind
            ),
        ),
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
