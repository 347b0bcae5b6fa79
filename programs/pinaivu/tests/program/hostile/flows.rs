//! What the stage needs for guarantees, evidence, governance and the rest that takes more than one
//! account to set up.

use std::collections::BTreeMap;

use pinaivu::state::Change;
use pinaivu_protocol::evidence::{DisplacedReceipt, LoggedReceipt, ProofPair};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::AllowanceId;
use pinaivu_protocol::receipt::ReceiptHead;
use pinaivu_protocol::seeds::OPENING_SLOT_WINDOW;
use pinaivu_protocol::units::Amount;
use pinaivu_protocol::voucher::Voucher;
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use crate::harness::*;
use crate::instructions::equivocation_node::{proof, rooted};
use crate::settings::log::leaves;
use crate::settings::served::Setting;

/// Addresses, and the Ed25519 instructions that go before.
pub(crate) struct Flows {
    /// Alice's, for vouchers; one for 30 of its 50.
    pub(crate) vouched: Pubkey,
    pub(crate) voucher: Instruction,
    /// The slot of alice's escrow, and tokens of the unopened mint that were sent to it by mistake.
    pub(crate) escrow_slot: u64,
    pub(crate) stray: Pubkey,
    pub(crate) stray_wallet: Pubkey,
    /// Of nodes of their own: a guarantee that may fall, an advance that credit has come for, a demand
    /// that has waited, nothing in it.
    pub(crate) falling: Pubkey,
    pub(crate) refillable: Pubkey,
    pub(crate) demanded: Pubkey,
    pub(crate) demanded_tokens: Pubkey,
    pub(crate) closable: Pubkey,
    /// A head that shows more than is credited.
    pub(crate) head: Instruction,
    /// A receipt in the log: its evidence; and one that is recorded.
    pub(crate) logged: Pubkey,
    pub(crate) record: Pubkey,
    /// The log's leaves.
    pub(crate) leaves: Vec<[u8; 32]>,
    /// Alice's, eight bytes.
    pub(crate) evidence: Pubkey,
    pub(crate) two_heads: Instruction,
    pub(crate) displaced: Pubkey,
    pub(crate) displaced_head: Instruction,
    pub(crate) two_proofs: Pubkey,
    pub(crate) two_roots: Instruction,
    /// Of a node's key, long ago.
    pub(crate) retired: Pubkey,
    /// Proposals that have waited: rules, a measurement to allow, one to revoke.
    pub(crate) rules: Pubkey,
    pub(crate) allowing: Pubkey,
    pub(crate) revoking: Pubkey,
    /// Registered and nothing else, old.
    pub(crate) quitter: Coordinator,
}

/// To be allowed, and on the list.
pub(crate) const UNLISTED: [u8; 32] = [9; 32];
pub(crate) const LISTED: [u8; 32] = [8; 32];
/// Number of the next proposal.
pub(crate) const NEXT_PROPOSAL: u64 = 4;

/// Sets everything up around alice's escrow and the main coordinator and node.
pub(crate) fn prepare(
    it: &mut Setting,
    escrow: &Pubkey,
    unopened: &Market,
    names: &mut BTreeMap<Pubkey, String>,
) -> Flows {
    let market = it.market;
    let authority = it.coordinator.authority.key.insecure_clone();
    let signer = it.coordinator.signer.insecure_clone();
    let governance = it.world.governance.insecure_clone();

    // Registrations first, so that they are old.
    let (boss, hot, slot) = (it.world.actor(0), it.world.key(), it.world.slot());
    let (address, register) =
        it.world.coordinator_register(&market, &boss.address(), &hot.pubkey(), slot, FEE);
    it.world.ok(&register, &[&boss.key, &hot]);
    let quitter = Coordinator { address, authority: boss, signer: hot };
    let nodes = [it.world.node(), it.world.node(), it.world.node(), it.world.node()];
    let payouts = [0, 1, 2, 3].map(|index: usize| it.world.payout(&it.coordinator, &nodes[index]));
    let [falling, refillable, demanded, closable] = payouts;
    let bond = it.world.coordinator_bond(&market, &it.coordinator, 600, 20);
    it.world.ok(&bond, &[&authority]);
    let all = [(it.payout, 100), (falling, 50), (refillable, 40), (demanded, 30)];
    for (payout, guarantee) in all {
        let set = it.world.guarantee_set(&it.coordinator, &payout, guarantee);
        it.world.ok(&set, &[&authority]);
    }

    // An advance of 40, for 30 of which credit has come.
    let demand = |it: &Setting, payout: &Pubkey, node: &Node, earned| {
        let mut head = it.head(earned);
        head.node.0 = node.address.to_bytes();
        let owner = node.payout_owner.address();
        [verify_records(&[(&signer, &head)]), it.world.demand_open(&market, payout, &owner)]
    };
    let transaction = demand(it, &refillable, &nodes[1], 45);
    it.world.sends(&transaction, &[&nodes[1].payout_owner.key]);
    it.world.pass(LIVENESS_SLOTS, LIVENESS_SECONDS);
    let settle = it.world.demand_settle(&market, &refillable, &nodes[1].payout_owner.tokens);
    it.world.ok(&settle, &[]);
    let alice = Actor { key: it.alice.key.insecure_clone(), tokens: it.alice.tokens };
    let pool = it.world.allowance(&alice, escrow, &it.coordinator, 100);
    it.world.ok(&it.world.debit(&it.coordinator, &[(pool, 100)]), &[&signer]);
    let credit = it.world.credit(&market, &it.coordinator, &[(refillable, 30)], 0);
    it.world.ok(&credit, &[&signer]);

    // What waits: a lower guarantee, a demand, bonds, a retired key, a closed node's payout.
    let lower = it.world.guarantee_set(&it.coordinator, &falling, 10);
    it.world.ok(&lower, &[&authority]);
    let transaction = demand(it, &demanded, &nodes[2], 20);
    it.world.sends(&transaction, &[&nodes[2].payout_owner.key]);
    let unbond = it.world.coordinator_unbond(&it.coordinator, 10, 5);
    it.world.ok(&unbond, &[&authority]);
    let fresh = it.world.key();
    let old = nodes[0].signer.pubkey();
    let operator = nodes[0].operator.address();
    let rotate = it.world.node_rotate_signer(&nodes[0].address, &operator, &fresh.pubkey());
    it.world.ok(&rotate, &[&nodes[0].operator.key, &fresh]);
    let retired = retired_signer(&nodes[0].address, &old);

    // A measurement on the list, and proposals.
    let propose = |it: &mut Setting, number, change| {
        let (proposal, open) = it.world.proposal_open(&market, number, change);
        it.world.ok(&open, &[&governance]);
        proposal
    };
    let first = propose(it, 0, Change::MeasurementAllowed(LISTED));
    it.world.pass(GOVERNANCE_SLOTS, GOVERNANCE_SECONDS);
    it.world.ok(&it.world.measurement_allow(&market, &first, &LISTED), &[]);
    let rules = propose(it, 1, Change::Rules(market_rules()));
    let allowing = propose(it, 2, Change::MeasurementAllowed(UNLISTED));
    let revoking = propose(it, 3, Change::MeasurementRevoked(LISTED));
    it.world.pass(OPENING_SLOT_WINDOW + 1, GOVERNANCE_SECONDS);
    let close = it.world.node_close(&nodes[3].address, &nodes[3].operator.address());
    it.world.ok(&close, &[&nodes[3].operator.key]);

    // The log: two receipts and three other leaves.
    let receipts = [it.receipt(0, 95), it.receipt(1, 97)];
    it.log(&receipts, 3);
    let record = it.record(&receipts[1]);
    let path = it.peak_path(0);
    let logged = it.evidence(&LoggedReceipt { receipt: receipts[0].clone(), path });
    let shown = DisplacedReceipt {
        receipt: it.receipt(2, 99),
        leaf: Hash32(leaves(1)[0]),
        path: it.peak_path(2),
    };
    let displaced = it.evidence(&shown);
    let displaced_head = verify_records(&[(&signer, &shown.receipt.head)]);
    let head = it.head(99);
    let two_heads =
        verify_records(&[(&signer, &head), (&signer, &ReceiptHead { index: 7, ..head })]);
    let (one, other) = (proof(it, 1), proof(it, 2));
    let (root, [first, second]) = rooted(it, [&one, &other]);
    let two_proofs = it.evidence(&ProofPair { first, second });
    let two_roots = verify_records(&[(&it.node.signer, &root)]);
    let (evidence, open) = it.world.evidence_open(&alice.address(), 1, 8);
    it.world.ok(&open, &[&alice.key]);

    // Money that came in other ways, and a voucher.
    let deposits = it.world.deposit_tokens(&market, escrow, 25);
    let stray = it.world.deposit_tokens(unopened, escrow, 9);
    let stray_wallet = it.world.token_account(unopened, &alice.address(), 0);
    let wallet = it.world.key();
    let (slot, expiry) = (it.world.slot(), it.world.time() + 3_600);
    let coordinator = it.coordinator.address;
    let (vouched, open) =
        it.world.allowance_open(&market, &alice.address(), escrow, &coordinator, slot, 50, expiry);
    let open = it.world.allowance_open_with_vouchers(&open, Some(wallet.pubkey()));
    it.world.ok(&open, &[&alice.key]);
    let allowance = AllowanceId(vouched.to_bytes());
    let voucher = Voucher { allowance, cumulative: Amount(30), expiry: 0 };
    let voucher = verify(&[(&wallet, voucher.signing_bytes().to_vec())]);
    let escrow_slot = it.world.read::<pinaivu::state::Escrow>(escrow).opening_slot;

    for (address, text) in [
        (vouched, "alice's vouched allowance"),
        (stray, "alice's stray tokens"),
        (stray_wallet, "alice's wallet of stray tokens"),
        (deposits, "alice's deposits"),
        (falling, "falling payout"),
        (refillable, "refillable payout"),
        (demanded, "demanded payout"),
        (closable, "closable payout"),
        (logged, "logged receipt"),
        (record, "recorded receipt"),
        (evidence, "alice's evidence"),
        (displaced, "displaced receipt"),
        (two_proofs, "two proofs"),
        (retired, "retired key"),
        (rules, "proposed rules"),
        (allowing, "proposed measurement"),
        (revoking, "proposed revocation"),
        (quitter.address, "quitter"),
        (INSTRUCTIONS_SYSVAR, "instructions sysvar"),
    ] {
        names.insert(address, text.to_owned());
    }
    Flows {
        vouched,
        voucher,
        escrow_slot,
        stray,
        stray_wallet,
        falling,
        refillable,
        demanded,
        demanded_tokens: nodes[2].payout_owner.tokens,
        closable,
        head: verify_records(&[(&signer, &head)]),
        logged,
        record,
        leaves: it.leaves.clone(),
        evidence,
        two_heads,
        displaced,
        displaced_head,
        two_proofs,
        two_roots,
        retired,
        rules,
        allowing,
        revoking,
        quitter,
    }
}
