//! The bytes of every account, pinned: what is on a chain today must be readable tomorrow.
//!
//! A difference in the snapshot is a new account version, not a new snapshot.

use anchor_lang::{AccountSerialize, Space};
use pinaivu::error::PinaivuError;
use pinaivu::state::*;
use solana_pubkey::Pubkey;

/// Fields that can be told apart in the bytes: each call gives the next byte, repeated.
struct Pattern(u8);

impl Pattern {
    fn byte(&mut self) -> u8 {
        self.0 += 1;
        self.0
    }

    fn key(&mut self) -> Pubkey {
        Pubkey::new_from_array(self.hash())
    }

    fn hash(&mut self) -> [u8; 32] {
        [self.byte(); 32]
    }

    fn long(&mut self) -> u64 {
        u64::from_le_bytes([self.byte(); 8])
    }

    fn time(&mut self) -> i64 {
        i64::from_le_bytes([self.byte(); 8])
    }

    fn int(&mut self) -> u32 {
        u32::from_le_bytes([self.byte(); 4])
    }

    fn short(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(); 2])
    }
}

/// Name, allocated size, and the bytes as runs: `offset: value × count`.
fn describe<T: AccountSerialize + Space>(name: &str, account: &T) -> String {
    let mut bytes = Vec::new();
    account.try_serialize(&mut bytes).unwrap();
    let mut text = format!("{name}: {} bytes allocated, {} used\n", 8 + T::INIT_SPACE, bytes.len());
    let discriminator: String = bytes[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    text.push_str(&format!("  0: {discriminator}\n"));
    let mut offset = 8;
    for run in bytes[8..].chunk_by(|left, right| left == right) {
        text.push_str(&format!("  {offset}: {:02x} × {}\n", run[0], run.len()));
        offset += run.len();
    }
    text
}

#[test]
fn accounts_are_laid_out_as_they_were() {
    let mut p = Pattern(0);
    let market = Market {
        version: p.byte(),
        bump: p.byte(),
        escrow_vault_bump: p.byte(),
        stake_vault_bump: p.byte(),
        bond_vault_bump: p.byte(),
        mint_decimals: p.byte(),
        paused: true,
        fee_cap_bps: p.short(),
        mint: p.key(),
        token_program: p.key(),
        genesis_hash: p.hash(),
        governance: p.key(),
        exit_delay_slots: p.long(),
        exit_delay_seconds: p.long(),
        unbond_delay_slots: p.long(),
        unbond_delay_seconds: p.long(),
        min_stake: p.long(),
        min_bond: p.long(),
        sequence: p.long(),
        liveness_slots: p.long(),
        liveness_seconds: p.long(),
        guarantee_delay_slots: p.long(),
        guarantee_delay_seconds: p.long(),
        governance_delay_slots: p.long(),
        governance_delay_seconds: p.long(),
        proposals: p.long(),
        reserved: [0; 72],
    };
    let mut p = Pattern(0);
    let ledger = Ledger {
        version: p.byte(),
        bump: p.byte(),
        market: p.key(),
        escrow_liabilities: p.long(),
        stake_liabilities: p.long(),
        bond_liabilities: p.long(),
        sequence: p.long(),
        reserved: [0; 64],
    };
    let mut p = Pattern(0);
    let escrow = Escrow {
        version: p.byte(),
        bump: p.byte(),
        market: p.key(),
        owner: p.key(),
        opening_slot: p.long(),
        free: p.long(),
        allowances: p.int(),
        sequence: p.long(),
        rent_payer: p.key(),
        reserved: [0; 96],
    };
    let mut p = Pattern(0);
    let allowance = Allowance {
        version: p.byte(),
        bump: p.byte(),
        escrow: p.key(),
        owner: p.key(),
        coordinator: p.key(),
        opening_slot: p.long(),
        reserved: p.long(),
        released: p.long(),
        debited: p.long(),
        expiry_time: p.time(),
        expiry_observed_slot: p.long(),
        pending_release: PendingRelease {
            amount: p.long(),
            requested_slot: p.long(),
            requested_time: p.time(),
            destination: p.key(),
        },
        sequence: p.long(),
        voucher_signer: p.key(),
        voucher_limit: p.long(),
        rent_payer: p.key(),
        reserved_bytes: [0; 56],
    };
    let mut p = Pattern(0);
    let node = Node {
        version: p.byte(),
        bump: p.byte(),
        market: p.key(),
        operator: p.key(),
        signer: p.key(),
        payout_owner: p.key(),
        opening_slot: p.long(),
        stake: p.long(),
        unbonding: Unbonding {
            amount: p.long(),
            requested_slot: p.long(),
            requested_time: p.time(),
        },
        status: NodeStatus::Suspended,
        sequence: p.long(),
        endpoint_reserved: [0; 130],
        rent_payer: p.key(),
        reserved: [0; 32],
    };
    let mut p = Pattern(0);
    let coordinator = Coordinator {
        version: p.byte(),
        bump: p.byte(),
        market: p.key(),
        authority: p.key(),
        signer: p.key(),
        opening_slot: p.long(),
        fee_bps: p.short(),
        measurement: p.hash(),
        evidence_hash: p.hash(),
        guarantee_bond: p.long(),
        penalty_bond: p.long(),
        debited: p.long(),
        credited: p.long(),
        fees: p.long(),
        fees_paid: p.long(),
        sequence: p.long(),
        guaranteed: p.long(),
        advanced: p.long(),
        guarantee_unbonding: Unbonding {
            amount: p.long(),
            requested_slot: p.long(),
            requested_time: p.time(),
        },
        penalty_unbonding: Unbonding {
            amount: p.long(),
            requested_slot: p.long(),
            requested_time: p.time(),
        },
        slashed: true,
        rent_payer: p.key(),
        reserved: [0; 95],
        log: Log {
            epoch: p.int(),
            size: p.long(),
            root: p.hash(),
            peaks: vec![p.hash(), p.hash()],
        },
        endpoint: "abc".to_owned(),
    };
    let mut p = Pattern(0);
    let payout = Payout {
        version: p.byte(),
        bump: p.byte(),
        coordinator: p.key(),
        node: p.key(),
        payout_owner: p.key(),
        credited: p.long(),
        paid: p.long(),
        guarantee: p.long(),
        sequence: p.long(),
        market: p.key(),
        advanced: p.long(),
        lowering: Lowering {
            guarantee: p.long(),
            requested_slot: p.long(),
            requested_time: p.time(),
        },
        demand: Demand { cumulative: p.long(), opened_slot: p.long(), opened_time: p.time() },
        rent_payer: p.key(),
        reserved: [0; 40],
    };
    let mut p = Pattern(0);
    let epoch_head = EpochHead {
        version: p.byte(),
        bump: p.byte(),
        coordinator: p.key(),
        epoch: p.int(),
        size: p.long(),
        root: p.hash(),
        closed_slot: p.long(),
        reserved: [0; 32],
    };
    let mut p = Pattern(0);
    let retired_signer = RetiredSigner {
        version: p.byte(),
        bump: p.byte(),
        market: p.key(),
        account: p.key(),
        signer: p.key(),
        retired_slot: p.long(),
        retired_time: p.time(),
        rent_payer: p.key(),
        reserved: [0; 32],
    };
    let mut p = Pattern(0);
    let receipt_record = ReceiptRecord {
        version: p.byte(),
        bump: p.byte(),
        coordinator: p.key(),
        node: p.key(),
        epoch: p.int(),
        index: p.long(),
        request: [p.byte(); 16],
        segment: p.short(),
        node_cumulative: u128::from_le_bytes([p.byte(); 16]),
        leaf: p.hash(),
        body: p.hash(),
        ticket: p.hash(),
        request_commitment: p.hash(),
        response_commitment: p.hash(),
        input_tokens: p.int(),
        output_tokens: p.int(),
        price: p.long(),
        input_weight: p.short(),
        output_weight: p.short(),
        amount: u128::from_le_bytes([p.byte(); 16]),
        fee: u128::from_le_bytes([p.byte(); 16]),
        outcome: p.byte(),
        attestation: p.hash(),
        created: p.long(),
        recorded_slot: p.long(),
        rent_payer: p.key(),
        reserved: [0; 32],
        model: "abc".to_owned(),
    };
    let mut p = Pattern(0);
    let proposal = Proposal {
        version: p.byte(),
        bump: p.byte(),
        market: p.key(),
        number: p.long(),
        governance: p.key(),
        proposed_slot: p.long(),
        proposed_time: p.time(),
        delay_slots: p.long(),
        delay_seconds: p.long(),
        rent_payer: p.key(),
        reserved: [0; 32],
        change: Change::MeasurementRevoked(p.hash()),
    };
    let mut p = Pattern(0);
    let measurement = Measurement {
        version: p.byte(),
        bump: p.byte(),
        market: p.key(),
        measurement: p.hash(),
        allowed_slot: p.long(),
        rent_payer: p.key(),
        reserved: [0; 32],
    };
    let all = [
        describe("Market", &market),
        describe("Ledger", &ledger),
        describe("Escrow", &escrow),
        describe("Allowance", &allowance),
        describe("Node", &node),
        describe("Coordinator", &coordinator),
        describe("Payout", &payout),
        describe("EpochHead", &epoch_head),
        describe("RetiredSigner", &retired_signer),
        describe("ReceiptRecord", &receipt_record),
        describe("Proposal", &proposal),
        describe("Measurement", &measurement),
    ];
    insta::assert_snapshot!(all.concat());
}

/// Codes are part of the interface: the list may only grow at its end.
#[test]
fn error_codes_are_numbered_as_they_were() {
    let pinned = [
        (PinaivuError::MarketPaused, 6_000),
        (PinaivuError::WrongMarket, 6_006),
        (PinaivuError::NotOwner, 6_012),
        (PinaivuError::InsufficientFree, 6_020),
        (PinaivuError::NotMatured, 6_028),
        (PinaivuError::EpochMismatch, 6_035),
        (PinaivuError::EntriesEmpty, 6_040),
        (PinaivuError::NothingToClaim, 6_044),
        (PinaivuError::InvariantBroken, 6_048),
        (PinaivuError::MinimumTooHigh, 6_049),
        (PinaivuError::WrongRentReceiver, 6_088),
    ];
    for (error, code) in pinned {
        assert_eq!(u32::from(error), code);
    }
}
