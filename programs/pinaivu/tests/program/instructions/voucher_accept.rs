//! User-signed limits.

use pinaivu::error::PinaivuError;
use pinaivu::event::VoucherAccepted;
use pinaivu::state::Allowance;
use pinaivu_protocol::ids::AllowanceId;
use pinaivu_protocol::units::Amount;
use pinaivu_protocol::voucher::Voucher;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use crate::harness::*;
use crate::hostile::{Case, Stage};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    Case::of(stage.world.voucher_accept(&stage.flows.vouched)).after(&stage.flows.voucher)
}

struct Setting {
    world: World,
    coordinator: Coordinator,
    wallet: Keypair,
    allowance: Pubkey,
}

/// An allowance of 100 whose debits need vouchers of a wallet.
fn setting() -> Setting {
    let mut world = World::new();
    let (market, alice, wallet) = (world.market, world.actor(500), world.key());
    let escrow = world.escrow(&alice, 500);
    let coordinator = world.coordinator();
    let (slot, expiry) = (world.slot(), world.time() + 3_600);
    let (allowance, open) = world.allowance_open(
        &market,
        &alice.address(),
        &escrow,
        &coordinator.address,
        slot,
        100,
        expiry,
    );
    let nobody = world.allowance_open_with_vouchers(&open, Some(Pubkey::default()));
    world.fails(&nobody, &[&alice.key], PinaivuError::WrongSignerKey);
    let open = world.allowance_open_with_vouchers(&open, Some(wallet.pubkey()));
    world.ok(&open, &[&alice.key]);
    Setting { world, coordinator, wallet, allowance }
}

impl Setting {
    fn voucher(&self, cumulative: u64, expiry: i64) -> Voucher {
        let allowance = AllowanceId(self.allowance.to_bytes());
        Voucher { allowance, cumulative: Amount(cumulative), expiry }
    }

    fn present(&self, key: &Keypair, voucher: &Voucher) -> [Instruction; 2] {
        let signature = verify(&[(key, voucher.signing_bytes().to_vec())]);
        [signature, self.world.voucher_accept(&self.allowance)]
    }

    fn debit(&mut self, asked: u64) -> u64 {
        let debit = self.world.debit(&self.coordinator, &[(self.allowance, asked)]);
        self.world.ok(&debit, &[&self.coordinator.signer]);
        self.world.read::<Allowance>(&self.allowance).debited
    }
}

#[test]
fn debits_go_as_far_as_the_voucher_and_no_further_than_the_reservation() {
    let mut it = setting();
    assert_eq!(it.debit(100), 0);
    let wallet = it.wallet.insecure_clone();
    let transaction = it.present(&wallet, &it.voucher(30, 0));
    let accepted: VoucherAccepted = event(&it.world.sends(&transaction, &[]));
    assert_eq!((accepted.allowance, accepted.limit, accepted.debited), (it.allowance, 30, 0));
    assert_eq!(it.debit(29), 29);
    assert_eq!(it.debit(100), 30);
    let transaction = it.present(&wallet, &it.voucher(u64::MAX, 0));
    it.world.sends(&transaction, &[]);
    assert_eq!(it.debit(u64::MAX), 100);
}

#[test]
fn voucher_that_does_not_raise_the_limit_or_has_expired_is_refused() {
    let mut it = setting();
    let wallet = it.wallet.insecure_clone();
    let now = it.world.time();
    for (cumulative, expiry, error) in [
        (0, 0, PinaivuError::VoucherStale),
        (10, now, PinaivuError::VoucherExpired),
        (10, now - 1, PinaivuError::VoucherExpired),
        (10, i64::MIN, PinaivuError::VoucherExpired),
    ] {
        let transaction = it.present(&wallet, &it.voucher(cumulative, expiry));
        it.world.refuses(&transaction, &[], error);
    }
    let transaction = it.present(&wallet, &it.voucher(10, now + 1));
    it.world.sends(&transaction, &[]);
    it.world.refuses(&transaction, &[], PinaivuError::VoucherStale);
    let lower = it.present(&wallet, &it.voucher(9, 0));
    it.world.refuses(&lower, &[], PinaivuError::VoucherStale);
}

#[test]
fn voucher_of_another_key_allowance_or_form_is_refused() {
    let mut it = setting();
    let (wallet, stranger) = (it.wallet.insecure_clone(), it.world.key());
    let good = it.voucher(10, 0);
    for key in [&stranger, &it.coordinator.signer.insecure_clone()] {
        let transaction = it.present(key, &good);
        it.world.refuses(&transaction, &[], PinaivuError::WrongSignerKey);
    }
    let other = Voucher { allowance: AllowanceId([1; 32]), ..good };
    let transaction = it.present(&wallet, &other);
    it.world.refuses(&transaction, &[], PinaivuError::WrongVoucher);
    let accept = it.world.voucher_accept(&it.allowance);
    let bytes = good.signing_bytes();
    for message in [
        bytes[..49].to_vec(),
        [&bytes[..], &[0]].concat(),
        [&[0x56, 0x02], &bytes[2..]].concat(),
        [&[0x55, 0x01], &bytes[2..]].concat(),
    ] {
        let transaction = [verify(&[(&wallet, message)]), accept.clone()];
        it.world.refuses(&transaction, &[], PinaivuError::SignedBytesMalformed);
    }
    let twice = verify(&[(&wallet, bytes.to_vec()), (&wallet, bytes.to_vec())]);
    it.world.refuses(&[twice, accept.clone()], &[], PinaivuError::SignatureMalformed);
    it.world.refuses(&[accept], &[], PinaivuError::SignatureMissing);
    // A signature that does not verify fails the transaction before any program runs.
    let mut forged = it.present(&wallet, &good);
    *forged[0].data.last_mut().unwrap() ^= 1;
    assert!(it.world.send(&forged, &[]).is_err());
}

#[test]
fn allowance_without_a_voucher_signer_takes_no_vouchers() {
    let mut world = World::new();
    let (alice, wallet) = (world.actor(100), world.key());
    let escrow = world.escrow(&alice, 100);
    let coordinator = world.coordinator();
    let allowance = world.allowance(&alice, &escrow, &coordinator, 100);
    let voucher =
        Voucher { allowance: AllowanceId(allowance.to_bytes()), cumulative: Amount(1), expiry: 0 };
    let signature = verify(&[(&wallet, voucher.signing_bytes().to_vec())]);
    let transaction = [signature, world.voucher_accept(&allowance)];
    world.refuses(&transaction, &[], PinaivuError::VouchersNotUsed);
}

/// The bytes and signatures that wallets are tested with count on chain.
#[test]
fn voucher_of_the_golden_vectors_is_accepted_on_chain_and_what_they_refuse_is_not() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/evidence.json");
    let vectors: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let bytes = |case: &serde_json::Value, member: &str| -> Vec<u8> {
        let text = case[member].as_str().unwrap().as_bytes().chunks(2);
        text.map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
    };
    let it = setting();
    let case = &vectors["vouchers"][0];
    let wallet = Keypair::new_from_array(bytes(case, "seed").try_into().unwrap());
    assert_eq!(wallet.pubkey().to_string(), case["public_key"].as_str().unwrap());
    let message = bytes(case, "bytes");
    assert_eq!(wallet.sign_message(&message).as_ref(), bytes(case, "signature"));
    // The allowance at the vector's address, for its wallet.
    let mut account = it.world.svm.get_account(&it.allowance).unwrap();
    let signer = it.wallet.pubkey().to_bytes();
    let place = account.data.windows(32).position(|bytes| bytes == signer.as_slice()).unwrap();
    account.data[place..place + 32].copy_from_slice(&wallet.pubkey().to_bytes());
    let allowance: Pubkey = case["allowance"].as_str().unwrap().parse().unwrap();
    let mut world = it.world.fork();
    world.set_account(allowance, account);
    let present = |world: &World, message: Vec<u8>| {
        [verify(&[(&wallet, message)]), world.voucher_accept(&allowance)]
    };
    for refused in vectors["vouchers_refused"].as_array().unwrap() {
        let transaction = present(&world, bytes(refused, "bytes"));
        let failure = world.send_unchecked(&transaction, &[]).unwrap_err();
        let expected = Refusal::from(PinaivuError::SignedBytesMalformed);
        assert_eq!(Refusal(refusal(&failure)), expected, "{refused}");
    }
    let transaction = present(&world, message);
    world.send_unchecked(&transaction, &[]).unwrap();
    let limit = world.read::<Allowance>(&allowance).voucher_limit.to_string();
    assert_eq!(Some(limit.as_str()), case["cumulative"].as_str());
}
