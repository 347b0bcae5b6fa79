//! Every account from bytes, and the filter offsets against the generated types.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

const PROGRAM: Pubkey = Pubkey::new_from_array([200; 32]);

fn marked(byte: u8) -> Pubkey {
    Pubkey::new_from_array([byte; 32])
}

fn bytes(account: &impl anchor_lang::AccountSerialize) -> Vec<u8> {
    let mut data = Vec::new();
    account.try_serialize(&mut data).unwrap();
    data
}

fn stored(data: Vec<u8>, owner: Pubkey) -> Account {
    Account { lamports: 1, data, owner, executable: false, rent_epoch: 0 }
}

fn escrow() -> raw::Escrow {
    raw::Escrow {
        version: 1,
        bump: 254,
        market: marked(1),
        owner: marked(2),
        opening_slot: 3,
        free: 4,
        allowances: 5,
        sequence: 6,
        rent_payer: marked(7),
        reserved: [0; 96],
    }
}

fn allowance() -> raw::Allowance {
    raw::Allowance {
        version: 1,
        bump: 254,
        escrow: marked(1),
        owner: marked(2),
        coordinator: marked(3),
        opening_slot: 4,
        reserved: 100,
        released: 20,
        debited: 30,
        expiry_time: 1_000,
        expiry_observed_slot: 0,
        pending_release: types::PendingRelease {
            amount: 0,
            requested_slot: 0,
            requested_time: 0,
            destination: Pubkey::default(),
        },
        sequence: 7,
        voucher_signer: Pubkey::default(),
        voucher_limit: 0,
        rent_payer: marked(8),
        reserved_bytes: [0; 56],
    }
}

fn node() -> raw::Node {
    raw::Node {
        version: 1,
        bump: 254,
        market: marked(1),
        operator: marked(2),
        signer: marked(3),
        payout_owner: marked(4),
        opening_slot: 5,
        stake: 6,
        unbonding: types::Unbonding { amount: 7, requested_slot: 8, requested_time: 9 },
        status: types::NodeStatus::Suspended,
        sequence: 10,
        endpoint_reserved: [0; 130],
        rent_payer: marked(11),
        reserved: [0; 32],
    }
}

fn coordinator() -> raw::Coordinator {
    raw::Coordinator {
        version: 1,
        bump: 254,
        market: marked(1),
        authority: marked(2),
        signer: marked(3),
        opening_slot: 4,
        fee_bps: 5,
        measurement: [6; 32],
        evidence_hash: [7; 32],
        guarantee_bond: 8,
        penalty_bond: 9,
        debited: 10,
        credited: 11,
        fees: 12,
        fees_paid: 13,
        sequence: 14,
        guaranteed: 7,
        advanced: 6,
        guarantee_unbonding: types::Unbonding { amount: 5, requested_slot: 4, requested_time: 3 },
        penalty_unbonding: types::Unbonding { amount: 0, requested_slot: 0, requested_time: 0 },
        slashed: true,
        rent_payer: marked(2),
        reserved: [0; 95],
        log: types::Log { epoch: 15, size: 3, root: [16; 32], peaks: vec![[17; 32], [18; 32]] },
        endpoint: "tunnel.example:4433".to_owned(),
    }
}

fn payout() -> raw::Payout {
    raw::Payout {
        version: 1,
        bump: 254,
        coordinator: marked(1),
        node: marked(2),
        payout_owner: marked(3),
        credited: 10,
        paid: 4,
        guarantee: 0,
        sequence: 5,
        market: marked(6),
        advanced: 0,
        lowering: types::Lowering { guarantee: 0, requested_slot: 0, requested_time: 0 },
        demand: types::Demand { cumulative: 0, opened_slot: 0, opened_time: 0 },
        rent_payer: marked(7),
        reserved: [0; 40],
    }
}

fn measurement() -> raw::Measurement {
    raw::Measurement {
        version: 1,
        bump: 0,
        market: marked(1),
        measurement: [2; 32],
        allowed_slot: 3,
        rent_payer: marked(4),
        reserved: [0; 32],
    }
}

#[test]
fn filter_offsets_point_at_the_fields_they_name() {
    use offsets::*;
    for (data, offset, field) in [
        (bytes(&escrow()), ESCROW_MARKET, 1),
        (bytes(&escrow()), ESCROW_OWNER, 2),
        (bytes(&allowance()), ALLOWANCE_ESCROW, 1),
        (bytes(&allowance()), ALLOWANCE_OWNER, 2),
        (bytes(&allowance()), ALLOWANCE_COORDINATOR, 3),
        (bytes(&node()), NODE_MARKET, 1),
        (bytes(&node()), NODE_OPERATOR, 2),
        (bytes(&node()), NODE_SIGNER, 3),
        (bytes(&coordinator()), COORDINATOR_MARKET, 1),
        (bytes(&coordinator()), COORDINATOR_AUTHORITY, 2),
        (bytes(&measurement()), MEASUREMENT_MARKET, 1),
        (bytes(&payout()), PAYOUT_COORDINATOR, 1),
        (bytes(&payout()), PAYOUT_NODE, 2),
    ] {
        assert_eq!(data[offset..offset + 32], [field; 32]);
    }
}

#[test]
fn allowance_without_release_decodes_and_counts_what_remains() {
    let address = marked(9);
    let account = stored(bytes(&allowance()), PROGRAM);
    let decoded = Allowance::decode(address, &account, &PROGRAM).unwrap();
    assert_eq!(decoded.id, AllowanceId([9; 32]));
    assert_eq!(decoded.pending_release, None);
    assert_eq!(decoded.expiry_observed, None);
    assert_eq!(decoded.remaining(), Amount(50));
    assert_eq!(decoded.admissible(UnixSeconds(999)), Amount(50));
    assert_eq!(decoded.admissible(UnixSeconds(1_000)), Amount::ZERO);
}

#[test]
fn pending_release_is_taken_off_what_is_admissible() {
    let mut raw = allowance();
    raw.pending_release = types::PendingRelease {
        amount: 45,
        requested_slot: 1,
        requested_time: 2,
        destination: marked(8),
    };
    let account = stored(bytes(&raw), PROGRAM);
    let decoded = Allowance::decode(marked(9), &account, &PROGRAM).unwrap();
    assert_eq!(
        decoded.pending_release,
        Some(PendingRelease {
            amount: Amount(45),
            requested: time(1, 2),
            destination: Some(marked(8)),
        })
    );
    assert_eq!(decoded.admissible(UnixSeconds(0)), Amount(5));
}

#[test]
fn node_decodes_every_field() {
    let account = stored(bytes(&node()), PROGRAM);
    assert_eq!(
        Node::decode(marked(9), &account, &PROGRAM).unwrap(),
        Node {
            id: NodeId([9; 32]),
            market: MarketId([1; 32]),
            operator: PublicKey([2; 32]),
            signer: PublicKey([3; 32]),
            payout_owner: PublicKey([4; 32]),
            opening_slot: Slot(5),
            stake: Amount(6),
            unbonding: Some(Unbonding { amount: Amount(7), requested: time(8, 9) }),
            status: NodeStatus::Suspended,
            sequence: 10,
            rent_payer: PublicKey([11; 32]),
        }
    );
}

#[test]
fn coordinator_decodes_log_and_endpoint_behind_the_reserved_bytes() {
    let account = stored(bytes(&coordinator()), PROGRAM);
    let decoded = Coordinator::decode(marked(9), &account, &PROGRAM).unwrap();
    assert_eq!(decoded.endpoint, "tunnel.example:4433");
    assert_eq!(
        decoded.log,
        LogHead {
            epoch: 15,
            size: 3,
            peaks: vec![Hash32([17; 32]), Hash32([18; 32])],
            root: Hash32([16; 32]),
        }
    );
    assert_eq!((decoded.fees, decoded.fees_paid), (Amount(12), Amount(13)));
}

#[test]
fn payout_claimable_is_credited_less_paid() {
    let account = stored(bytes(&payout()), PROGRAM);
    let decoded = Payout::decode(marked(9), &account, &PROGRAM).unwrap();
    assert_eq!(decoded.claimable(), Amount(6));
    assert_eq!(decoded.payout_owner, PublicKey([3; 32]));
}

#[test]
fn foreign_owner_other_kind_and_truncated_bytes_are_refused() {
    let data = bytes(&escrow());
    for (data, owner, expected) in [
        (data.clone(), marked(1), AccountMismatch::Owner),
        (bytes(&payout()), PROGRAM, AccountMismatch::Kind),
        (Vec::new(), PROGRAM, AccountMismatch::Kind),
        (data[..40].to_vec(), PROGRAM, AccountMismatch::Encoding),
    ] {
        let refused = Escrow::decode(marked(9), &stored(data, owner), &PROGRAM).unwrap_err();
        assert!(matches!(
            refused,
            ChainError::Account { expected: "escrow", reason, .. } if reason == expected
        ));
    }
}
