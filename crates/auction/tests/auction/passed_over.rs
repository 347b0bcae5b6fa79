//! An acknowledged ask against receipts of honest coordinators and of coordinators that lie.

use pinaivu_auction::{Case, CaseError, Clearing, Exclusion, Finding, MOMENT, Terms, examine};
use pinaivu_protocol::acknowledgement::AskAcknowledgement;
use pinaivu_protocol::ask::Ask;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::receipt::{Receipt, ReceiptHead};
use pinaivu_protocol::signed::{SignatureError, Signed};
use pinaivu_protocol::units::UnixMillis;

use super::lies::{LIES, Story, market, word_for};
use super::market::{Market, NOW, Seller, ask, key, node};
use super::word::{acknowledged, clear, coordinator, heads, keys, receipt};

fn found(
    acknowledgement: &Signed<AskAcknowledgement>,
    entries: &[Vec<u8>],
    (terms, clearing): &(Terms, Clearing),
    rank: usize,
) -> Result<Finding, CaseError> {
    let receipt = receipt(clearing, rank);
    examine(&Case { acknowledgement, receipt: &receipt, entries, terms }, &keys())
}

#[test]
fn ask_in_an_honest_clearing_served_was_outbid_or_has_the_reason_why_not() {
    let market = market();
    let entries = &market.entries;
    let word = |number| acknowledged(entries, &ask(number, [0, 100, 105, 108][number as usize], 1));
    let honest = clear(&market, &[], &[]);
    assert_eq!(found(&word(1), entries, &honest, 0), Ok(Finding::Served));
    assert_eq!(found(&word(3), entries, &honest, 0), Ok(Finding::Outbid { rank: Some(2) }));
    // The best one was tried and failed, or was not tried: it knows which.
    let ahead = found(&word(1), entries, &honest, 1).unwrap();
    assert_eq!(ahead, Finding::Ahead { rank: 0, served: 1 });
    assert!(ahead.is_passed_over() && !ahead.is_contradiction());

    for (outcome, why) in [
        (clear(&market, &[node(1)], &[]), Exclusion::Excluded),
        (clear(&market, &[], &[0]), Exclusion::Busy),
    ] {
        let finding = found(&word(1), entries, &outcome, 0).unwrap();
        assert_eq!(finding, Finding::Excluded(why));
        assert!(!finding.is_passed_over());
    }
}

#[test]
fn ask_that_ended_or_came_later_or_is_for_something_else_was_not_passed_over() {
    let mut market = market();
    let word = acknowledged(&market.entries, &ask(1, 100, 1));
    let before = market.entries.len() as u64;
    market.remove(1);
    let outcome = clear(&market, &[], &[]);
    let ended = Ok(Finding::Ended { version: before + 1 });
    assert_eq!(found(&word, &market.entries, &outcome, 0), ended);

    let mut market = self::market();
    market.offer(1, 107, 2).unwrap();
    let outcome = clear(&market, &[], &[]);
    assert_eq!(found(&word, &market.entries, &outcome, 0), ended);

    // Cleared before the ask came, and said so when it did.
    let earlier = self::market();
    let outcome = clear(&earlier, &[], &[]);
    let mut market = self::market();
    market.offer(1, 90, 2).unwrap();
    let word = acknowledged(&market.entries, &ask(1, 90, 2));
    let later = found(&word, &earlier.entries, &outcome, 0);
    assert_eq!(later, Ok(Finding::Later { used: before }));

    let withdrawal = Ask { expires: UnixMillis(0), ..ask(1, 0, 3) };
    market.apply(&key(1).sign(withdrawal.clone()), NOW).unwrap();
    let word = acknowledged(&market.entries, &withdrawal);
    let outcome = clear(&market, &[], &[]);
    assert_eq!(found(&word, &market.entries, &outcome, 0), Ok(Finding::Withdrawn));

    let other = Ask { model: "other".to_owned(), ..ask(1, 90, 4) };
    market.list("other");
    market.apply(&key(1).sign(other.clone()), NOW).unwrap();
    let word = acknowledged(&market.entries, &other);
    let outcome = clear(&market, &[], &[]);
    assert_eq!(found(&word, &market.entries, &outcome, 0), Ok(Finding::OtherModel));

    // A restart: another book, whose first entry differs.
    let word =
        Signed { record: AskAcknowledgement { book: Hash32([1; 32]), ..word.record }, ..word };
    let word = coordinator().sign(word.record);
    assert_eq!(found(&word, &market.entries, &outcome, 0), Ok(Finding::OtherBook));
}

#[test]
fn coordinator_that_shows_the_receipts_another_book_contradicts_its_word() {
    // The node was shown a book with its ask, receipts are cleared from one without it.
    let shown = market();
    let word = acknowledged(&shown.entries, &ask(3, 108, 1));
    let mut kept = Market::of(&[Seller::new(1, 100), Seller::new(2, 105)]);
    while kept.entries.len() < shown.entries.len() {
        kept.offer(1, 100, 2 + kept.entries.len() as u64).unwrap();
    }
    let outcome = clear(&kept, &[], &[]);
    let finding = found(&word, &kept.entries, &outcome, 0).unwrap();
    assert_eq!(finding, Finding::Forked);
    assert!(finding.is_contradiction());
}

#[test]
fn coordinator_that_acknowledges_what_it_did_not_enter_contradicts_its_book() {
    let market = market();
    let outcome = clear(&market, &[], &[]);
    // Never entered; and one that was replaced before the word was given.
    let never = acknowledged(&market.entries, &ask(1, 90, 2));
    assert_eq!(found(&never, &market.entries, &outcome, 0), Ok(Finding::NotEntered));
    let mut market = self::market();
    market.offer(1, 110, 2).unwrap();
    let replaced = acknowledged(&market.entries, &ask(1, 100, 1));
    let outcome = clear(&market, &[], &[]);
    assert_eq!(found(&replaced, &market.entries, &outcome, 0), Ok(Finding::NotEntered));
}

#[test]
fn coordinator_that_leaves_a_standing_ask_out_contradicts_its_receipt() {
    let market = market();
    let (terms, _) = clear(&market, &[], &[]);
    // The best one left out looks like one that was tried and failed: only the node knows.
    let word = acknowledged(&market.entries, &ask(1, 100, 1));
    let (_, without) = clear(&market, &[node(1)], &[]);
    let finding = found(&word, &market.entries, &(terms.clone(), without), 0);
    assert_eq!(finding, Ok(Finding::Ahead { rank: 0, served: 1 }));

    // One that would have set the price; the terms that are published say nothing of it.
    let word = acknowledged(&market.entries, &ask(2, 105, 1));
    let (_, without) = clear(&market, &[node(2)], &[]);
    let finding = found(&word, &market.entries, &(terms.clone(), without.clone()), 0).unwrap();
    assert_eq!(finding, Finding::LeftOut);
    assert!(finding.is_contradiction());

    // An auction that comes out in neither way.
    let mut receipt = receipt(&without, 0);
    receipt.body.auction.candidates = 9;
    receipt.head =
        coordinator().sign(ReceiptHead { body: receipt.body.hash(), ..receipt.head.record });
    let case =
        Case { acknowledgement: &word, receipt: &receipt, entries: &market.entries, terms: &terms };
    assert_eq!(examine(&case, &keys()), Ok(Finding::Unexplained));
}

#[test]
fn coordinator_that_clears_from_an_old_book_says_so_itself() {
    let old = market();
    let (mut terms, clearing) = clear(&old, &[], &[]);
    let mut market = self::market();
    market.offer(3, 50, 2).unwrap();
    let word = acknowledged(&market.entries, &ask(3, 50, 2));
    let used = old.entries.len() as u64;
    terms.now = NOW.saturating_add(MOMENT);
    let outcome = (terms.clone(), clearing.clone());
    assert_eq!(found(&word, &old.entries, &outcome, 0), Ok(Finding::Later { used }));
    terms.now = terms.now.saturating_add(UnixMillis(1));
    let finding = found(&word, &old.entries, &(terms, clearing), 0).unwrap();
    assert_eq!(finding, Finding::Stale { used });
    assert!(finding.is_passed_over() && !finding.is_contradiction());
}

#[test]
fn every_lie_of_the_example_is_found_and_honest_auctions_accuse_nobody() {
    for lie in LIES {
        let finding = (lie.tell)().finding();
        assert!(lie.is_shown_by(finding), "{}: {finding:?}", lie.name);
    }
    let market = market();
    for number in 1..=3 {
        let outcome = clear(&market, &[], &[]);
        let finding = Story::of(word_for(&market, number), &market, outcome).finding();
        assert!(!finding.is_passed_over(), "{finding:?}");
    }
}

#[test]
fn what_is_not_signed_or_does_not_belong_together_shows_nothing() {
    let market = market();
    let word = acknowledged(&market.entries, &ask(1, 100, 1));
    let (terms, clearing) = clear(&market, &[], &[]);
    let receipt = receipt(&clearing, 0);
    let case =
        Case { acknowledgement: &word, receipt: &receipt, entries: &market.entries, terms: &terms };
    assert_eq!(examine(&case, &keys()), Ok(Finding::Served));
    assert_eq!(examine(&case, &[]), Err(CaseError::Apart));
    let stranger = key(7).public();
    let refused = SignatureError::Signature(stranger);
    assert_eq!(examine(&case, &[stranger]), Err(CaseError::Acknowledgement(refused)));
    assert_eq!(examine(&case, &[stranger, keys()[0]]), Ok(Finding::Served));

    let changed = Receipt {
        head: Signed { signature: word.signature, ..receipt.head.clone() },
        ..receipt.clone()
    };
    let refused = CaseError::Receipt(SignatureError::Signature(keys()[0]));
    assert_eq!(examine(&Case { receipt: &changed, ..case }, &keys()), Err(refused));
    let mut changed = receipt.clone();
    changed.body.auction.candidates = 1;
    assert_eq!(examine(&Case { receipt: &changed, ..case }, &keys()), Err(CaseError::Apart));
    let mut others = terms.clone();
    others.request.0[0] ^= 1;
    assert_eq!(examine(&Case { terms: &others, ..case }, &keys()), Err(CaseError::Apart));

    let short = &market.entries[..market.entries.len() - 1];
    let named = receipt.body.auction.book_head;
    let wrong = CaseError::Head { found: *heads(short).last().unwrap(), named };
    assert_eq!(examine(&Case { entries: short, ..case }, &keys()), Err(wrong));
    let mut torn = market.entries.clone();
    torn[1].push(0);
    assert_eq!(examine(&Case { entries: &torn, ..case }, &keys()), Err(CaseError::Entry(2)));
}
