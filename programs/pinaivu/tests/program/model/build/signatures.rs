//! What is signed off the chain and verified in the same transaction.

use anchor_lang::AnchorDeserialize as _;
use pinaivu_protocol::evidence::DisplacedReceipt;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{AllowanceId, CoordinatorId, DeploymentId, NodeId};
use pinaivu_protocol::proof::ProofRoot;
use pinaivu_protocol::receipt::ReceiptHead;
use pinaivu_protocol::units::Amount;
use pinaivu_protocol::voucher::Voucher;

use super::*;
use crate::harness::{verify, verify_records};
use crate::model::action::Lie;

impl Chain {
    /// The instruction that verifies what an action's rests on.
    pub(in crate::model) fn signatures(
        &self,
        ledger: &Ledger,
        action: &Action,
    ) -> Option<Instruction> {
        let key = |id: &Id| &self.keys[*id];
        Some(match action {
            Action::VoucherAccept { named, signer, cumulative, expiry, .. } => {
                let allowance = AllowanceId(ledger.allowances[*named].address.to_bytes());
                let (cumulative, expiry) = (Amount(*cumulative), *expiry);
                let voucher = Voucher { allowance, cumulative, expiry };
                verify(&[(key(signer), voucher.signing_bytes().to_vec())])
            }
            Action::DemandOpen { payout, signer, cumulative, lie, .. } => {
                let it = &ledger.payouts[*payout];
                let mut head = receipt(ledger, it.coordinator, (0, 0), it.node, *cumulative).head;
                match lie {
                    Lie::None => {}
                    Lie::Deployment => head.deployment = DeploymentId(Hash32([1; 32])),
                    Lie::Coordinator => head.coordinator = CoordinatorId([1; 32]),
                    Lie::Content => head.node = NodeId([1; 32]),
                }
                verify_records(&[(key(signer), &head)])
            }
            Action::EquivocationHeads { coordinator, signer, lie, .. } => {
                let mut one = receipt(ledger, *coordinator, (0, 0), 0, 1).head;
                match lie {
                    Lie::None | Lie::Content => {}
                    Lie::Deployment => one.deployment = DeploymentId(Hash32([1; 32])),
                    Lie::Coordinator => one.coordinator = CoordinatorId([1; 32]),
                }
                let mut other = one;
                if *lie != Lie::Content {
                    other.body = Hash32([1; 32]);
                }
                verify_records(&[(key(signer), &one), (key(signer), &other)])
            }
            Action::EquivocationLog { evidence, signer, other_head, .. } => {
                let shown = DisplacedReceipt::try_from_slice(&ledger.evidence[*evidence].data);
                // What is no receipt yet cannot be signed as one.
                let head = shown.map_or_else(
                    |_| receipt(ledger, 0, (0, 0), 0, 1).head,
                    |shown| shown.receipt.head,
                );
                let index = head.index.wrapping_add(u64::from(*other_head));
                verify_records(&[(key(signer), &ReceiptHead { index, ..head })])
            }
            Action::EquivocationNode { signer, roots, .. } => {
                let signed: Vec<(&Keypair, &ProofRoot)> =
                    roots.iter().map(|root| (key(signer), root)).collect();
                verify_records(&signed)
            }
            _ => return None,
        })
    }
}
