//! Two outputs of a node for one ticket.

use pinaivu::error::PinaivuError;
use pinaivu::event::NodeSlashed;
use pinaivu::state::{Node as NodeAccount, NodeStatus};
use pinaivu_protocol::evidence::{PlacedProof, ProofPair};
use pinaivu_protocol::hash::{Hash32, sha256};
use pinaivu_protocol::ids::{CoordinatorId, NodeId, RequestId, Segment};
use pinaivu_protocol::proof::{Outcome, ProofOfInference, ProofRoot};
use pinaivu_protocol::units::{TokenCount, UnixMillis};
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use crate::harness::*;
use crate::settings::served::*;
use crate::hostile::{Case, Stage};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let (node, tokens) = (&stage.node.address, &stage.bob.tokens);
    let evidence = &stage.flows.two_proofs;
    let slash = stage.world.equivocation_node(&stage.market, node, None, evidence, tokens);
    Case::of(slash)
        .after(&stage.flows.two_roots)
        .anyone("retired_signer")
        .anyone("destination")
        .gifts()
}

/// The usual setting with 200 staked, 80 of which wait.
fn staked() -> Setting {
    let mut it = setting();
    let stake = it.world.node_stake(&it.market, &it.node.address, &it.alice, 0);
    let donor = it.world.actor(200);
    drop(stake);
    let stake = it.world.node_stake(&it.market, &it.node.address, &donor, 200);
    it.world.ok(&stake, &[&donor.key]);
    let operator = it.node.operator.address();
    let unbond = it.world.node_unbond(&it.node.address, &operator, 80);
    it.world.ok(&unbond, &[&it.node.operator.key]);
    it
}

pub(crate) fn proof(it: &Setting, answer: u8) -> ProofOfInference {
    ProofOfInference {
        deployment: deployment(),
        coordinator: CoordinatorId(it.coordinator.address.to_bytes()),
        node: NodeId(it.node.address.to_bytes()),
        request: RequestId([1; 16]),
        segment: Segment(0),
        ticket: Hash32([2; 32]),
        model: "qwen2.5-0.5b-instruct-q8_0.gguf".to_owned(),
        backend: "llama.cpp b10434".to_owned(),
        response_commitment: Hash32([answer; 32]),
        input_tokens: TokenCount(10),
        output_tokens: TokenCount(20),
        outcome: Outcome::Completed,
        finished: UnixMillis(u64::from(answer)),
    }
}

/// A root over two proofs, and the proofs in it.
pub(crate) fn rooted(it: &Setting, proofs: [&ProofOfInference; 2]) -> (ProofRoot, [PlacedProof; 2]) {
    let [one, other] = proofs.map(ProofOfInference::leaf);
    let root = ProofRoot {
        deployment: deployment(),
        coordinator: CoordinatorId(it.coordinator.address.to_bytes()),
        node: NodeId(it.node.address.to_bytes()),
        size: 2,
        root: sha256(&[&[1], &one.0, &other.0]),
    };
    let place = |index, sibling| PlacedProof {
        proof: proofs[usize::try_from(index).unwrap()].clone(),
        index,
        path: vec![sibling],
    };
    (root, [place(0, other), place(1, one)])
}

fn report(
    it: &mut Setting,
    pair: &ProofPair,
    roots: &[&ProofRoot],
    key: &Keypair,
) -> Vec<Instruction> {
    report_with(it, pair, roots, key, None)
}

fn report_with(
    it: &mut Setting,
    pair: &ProofPair,
    roots: &[&ProofRoot],
    key: &Keypair,
    retired: Option<Pubkey>,
) -> Vec<Instruction> {
    let evidence = it.evidence(pair);
    let signed: Vec<(&Keypair, &ProofRoot)> = roots.iter().map(|root| (key, *root)).collect();
    let tokens = it.alice.tokens;
    let node = it.node.address;
    let slash = it.world.equivocation_node(&it.market, &node, retired, &evidence, &tokens);
    vec![verify_records(&signed), slash]
}

#[test]
fn two_answers_for_one_ticket_cost_all_stake_and_suspend_the_node() {
    let mut it = staked();
    let (one, other) = (proof(&it, 1), proof(&it, 2));
    let (first_root, [first, _]) = rooted(&it, [&one, &one]);
    let (second_root, [_, second]) = rooted(&it, [&other, &other]);
    let signer = it.node.signer.insecure_clone();
    let pair = ProofPair { first, second };
    let transaction = report(&mut it, &pair, &[&first_root, &second_root], &signer);
    let slashed: NodeSlashed = event(&it.world.sends(&transaction, &[]));
    assert_eq!((slashed.reporter, slashed.burned), (50, 150));
    assert_eq!((slashed.stake_liabilities, slashed.vault_balance), (0, 0));
    let node: NodeAccount = it.world.read(&it.node.address);
    assert_eq!((node.stake, node.unbonding.amount), (0, 0));
    assert_eq!(node.status, NodeStatus::Suspended);
    assert_eq!(it.world.burned(&it.market.mint), 150);
    it.world.refuses(&transaction, &[], PinaivuError::NodeSuspended);
    let donor = it.world.actor(5);
    let stake = it.world.node_stake(&it.market, &it.node.address, &donor, 5);
    it.world.fails(&stake, &[&donor.key], PinaivuError::NodeSuspended);
    // What it earned stays its own.
    it.settle(50, 40);
    it.world.ok(&it.claim(), &[]);
    assert_eq!(it.got(), 40);
}

#[test]
fn two_answers_under_one_root_count_too() {
    let mut it = staked();
    let (one, other) = (proof(&it, 1), proof(&it, 2));
    let (root, [first, second]) = rooted(&it, [&one, &other]);
    let signer = it.node.signer.insecure_clone();
    let transaction = report(&mut it, &ProofPair { first, second }, &[&root], &signer);
    it.world.sends(&transaction, &[]);
}

#[test]
fn proofs_that_honest_work_gives_are_not_slashable() {
    let mut it = staked();
    let signer = it.node.signer.insecure_clone();
    let one = proof(&it, 1);
    for other in [
        // The journal's proof again, under another root.
        one.clone(),
        ProofOfInference { finished: UnixMillis(9), ..one.clone() },
        // The request dispatched again, with a ticket of its own.
        ProofOfInference { ticket: Hash32([3; 32]), ..proof(&it, 2) },
    ] {
        let (root, [first, second]) = rooted(&it, [&one, &other]);
        let transaction = report(&mut it, &ProofPair { first, second }, &[&root], &signer);
        it.world.refuses(&transaction, &[], PinaivuError::NotContradictory);
    }
}

#[test]
fn proofs_not_under_the_nodes_signed_root_are_refused() {
    let mut it = staked();
    let signer = it.node.signer.insecure_clone();
    let (one, other) = (proof(&it, 1), proof(&it, 2));
    let (root, [first, second]) = rooted(&it, [&one, &other]);
    let good = ProofPair { first, second };
    let stranger = it.world.key();
    let transaction = report(&mut it, &good, &[&root], &stranger);
    it.world.refuses(&transaction, &[], PinaivuError::WrongSignerKey);
    let mut path = good.clone();
    path.second.path.clear();
    let mut index = good.clone();
    index.second.index = 0;
    let mut proof = good.clone();
    proof.second.proof.output_tokens.0 += 1;
    for bad in [&path, &index, &proof] {
        let transaction = report(&mut it, bad, &[&root], &signer);
        it.world.refuses(&transaction, &[], PinaivuError::NotIncluded);
    }
    let elsewhere =
        ProofRoot { deployment: pinaivu_protocol::ids::DeploymentId(Hash32([0; 32])), ..root };
    let transaction = report(&mut it, &good, &[&elsewhere], &signer);
    it.world.refuses(&transaction, &[], PinaivuError::WrongDeployment);
    let another = ProofRoot { node: NodeId([0; 32]), ..root };
    let transaction = report(&mut it, &good, &[&another], &signer);
    it.world.refuses(&transaction, &[], PinaivuError::WrongNode);
    let transaction = report(&mut it, &good, &[&root, &root, &root], &signer);
    it.world.refuses(&transaction, &[], PinaivuError::SignatureMalformed);
}

#[test]
fn key_that_somebody_else_retired_says_nothing_for_this_node() {
    let mut it = staked();
    let rival = it.world.coordinator();
    let next = it.world.key();
    let rotate = it.world.coordinator_rotate_signer(&rival, &next.pubkey());
    it.world.ok(&rotate, &[&rival.authority.key, &next]);
    let theirs = retired_signer(&rival.address, &rival.signer.pubkey());
    let (one, other) = (proof(&it, 1), proof(&it, 2));
    let (root, [first, second]) = rooted(&it, [&one, &other]);
    let pair = ProofPair { first, second };
    let transaction = report_with(&mut it, &pair, &[&root], &rival.signer, Some(theirs));
    it.world.refuses(&transaction, &[], PinaivuError::WrongSignerKey);
}
