//! What stands in the book, what is refused, and the chain of entries.

use borsh::BorshDeserialize;
use pinaivu_auction::{
    AskEffect, AskRefused, BookEntry, BookError, Measured, NodeFacts, OrderBook, QualityFactor,
    RECENT_SERVICE, Rating, ReplayError, Standing, Weights, next_head, quality_factor,
};
use pinaivu_protocol::ask::{Ask, Features};
use pinaivu_protocol::hash::{Hash32, tagged};
use pinaivu_protocol::ids::{CoordinatorId, DeploymentId};
use pinaivu_protocol::signed::SignatureError;
use pinaivu_protocol::units::{TokenPrice, UnixMillis};

use crate::market::*;

fn prices(book: &OrderBook) -> Vec<u64> {
    let snapshot = book.snapshot();
    snapshot.model(MODEL).unwrap().offers().map(|offer| offer.price.0).collect()
}

fn refusal(change: impl FnOnce(&mut Ask)) -> AskRefused {
    let mut market = Market::new();
    market.admit(1, 1);
    market.offer(1, 50, 5).unwrap();
    let (head, version) = (market.book.head(), market.book.version());
    let mut changed = ask(1, 40, 6);
    change(&mut changed);
    let refused = market.apply(&key(1).sign(changed), NOW).unwrap_err();
    assert_eq!((market.book.head(), market.book.version()), (head, version));
    assert_eq!(prices(&market.book), [50]);
    refused
}

#[test]
fn ask_of_admitted_node_stands_and_is_chained() {
    let mut market = Market::new();
    market.admit(1, 1);
    let before = market.book.head();
    let signed = key(1).sign(ask(1, 50, 1));
    let AskEffect::Standing(update) = market.apply(&signed, NOW).unwrap() else { panic!() };
    assert_eq!(update.version, 4);
    assert_eq!(update.head, tagged("pinaivu/book/v1", &[before.as_bytes(), &update.entry]));
    assert_eq!(
        BookEntry::try_from_slice(&update.entry).unwrap(),
        BookEntry::AskApplied { ask: signed, at: NOW }
    );
    let snapshot = market.book.snapshot();
    assert_eq!((snapshot.head(), snapshot.version()), (update.head, 4));
    let offer = snapshot.model(MODEL).unwrap().offers().next().unwrap();
    assert_eq!(offer.node, node(1));
    assert_eq!(offer.payout_owner, owner(1));
    assert_eq!(offer.standing, Standing::default());
}

#[test]
fn later_ask_replaces_the_earlier() {
    let mut market = Market::new();
    market.admit(1, 1);
    market.offer(1, 50, 1).unwrap();
    market.offer(1, 40, 2).unwrap();
    assert_eq!(prices(&market.book), [40]);
}

#[test]
fn asks_of_one_node_for_two_models_have_their_own_sequences() {
    let mut market = Market::new();
    market.book.list_model("other", WEIGHTS).unwrap();
    market.admit(1, 1);
    market.offer(1, 50, 7).unwrap();
    let other = Ask { model: "other".to_owned(), ..ask(1, 60, 1) };
    market.apply(&key(1).sign(other), NOW).unwrap();
    assert_eq!(prices(&market.book), [50]);
    assert_eq!(market.book.snapshot().model("other").unwrap().len(), 1);
}

#[test]
fn ask_with_a_stale_sequence_is_refused() {
    assert_eq!(refusal(|ask| ask.sequence = 4), AskRefused::StaleSequence { given: 4, last: 5 });
    assert_eq!(refusal(|ask| ask.sequence = 5), AskRefused::StaleSequence { given: 5, last: 5 });
}

#[test]
fn ask_for_somebody_else_is_refused() {
    let deployment = DeploymentId(Hash32([8; 32]));
    assert_eq!(refusal(|ask| ask.deployment = deployment), AskRefused::Deployment(deployment));
    let coordinator = CoordinatorId([8; 32]);
    assert_eq!(refusal(|ask| ask.coordinator = coordinator), AskRefused::Coordinator(coordinator));
}

#[test]
fn ask_with_a_bad_model_name_is_refused() {
    assert_eq!(refusal(|ask| ask.model.clear()), AskRefused::ModelName);
    assert_eq!(refusal(|ask| ask.model = "m".repeat(129)), AskRefused::ModelName);
    assert_eq!(refusal(|ask| ask.model = "a\nb".to_owned()), AskRefused::ModelName);
    assert_eq!(refusal(|ask| ask.model = "m".repeat(128)), AskRefused::UnknownModel);
}

#[test]
fn node_cannot_fill_the_book_with_models() {
    let mut market = Market::new();
    market.admit(1, 1);
    market.admit(2, 2);
    let named = |node, number| Ask { model: format!("model-{number}"), ..ask(node, 50, 1) };
    for number in 0..128 {
        market.book.list_model(&format!("model-{number}"), WEIGHTS).unwrap();
        market.apply(&key(1).sign(named(1, number)), NOW).unwrap();
    }
    assert_eq!(
        market.apply(&key(1).sign(named(1, 128)), NOW),
        Err(AskRefused::TooManyModels),
        "refused before it is looked up, so that nobody lists it for this node"
    );
    let again = Ask { sequence: 2, ..named(1, 5) };
    market.apply(&key(1).sign(again), NOW).unwrap();
    market.apply(&key(2).sign(named(2, 5)), NOW).unwrap();
}

#[test]
fn ask_of_a_node_that_is_not_admitted_is_refused() {
    assert_eq!(refusal(|ask| ask.node = node(2)), AskRefused::UnknownNode(node(2)));
}

#[test]
fn ask_changed_after_signing_is_refused_in_every_field() {
    let changes: [fn(&mut Ask); 6] = [
        |ask| ask.node = node(2),
        |ask| ask.price = TokenPrice(1),
        |ask| ask.context_length += 1,
        |ask| ask.features = Features::CHAT.union(Features::TOOLS),
        |ask| ask.sequence += 1,
        |ask| ask.expires = UnixMillis(LATER.0 + 1),
    ];
    for change in changes {
        let mut market = Market::new();
        market.admit(1, 1);
        market.admit(2, 2);
        let mut signed = key(1).sign(ask(1, 50, 1));
        change(&mut signed.record);
        let signer = if signed.record.node == node(1) { key(1) } else { key(2) };
        assert_eq!(
            market.apply(&signed, NOW),
            Err(AskRefused::Signature(SignatureError::Signature(signer.public())))
        );
    }
}

#[test]
fn ask_of_price_zero_stands() {
    let mut market = Market::new();
    market.admit(1, 1);
    market.offer(1, 0, 1).unwrap();
    assert_eq!(prices(&market.book), [0]);
}

#[test]
fn expired_ask_withdraws_the_one_that_stands() {
    let mut market = Market::new();
    market.admit(1, 1);
    market.offer(1, 50, 1).unwrap();
    let withdrawal = key(1).sign(Ask { expires: NOW, ..ask(1, 50, 2) });
    let AskEffect::Withdrawn(update) = market.apply(&withdrawal, NOW).unwrap() else { panic!() };
    assert_eq!(update.head, market.book.head());
    assert!(prices(&market.book).is_empty());
    assert_eq!(
        market.apply(&withdrawal, NOW),
        Ok(AskEffect::Unchanged { head: market.book.head() })
    );
    assert_eq!(market.offer(1, 50, 1), Err(AskRefused::StaleSequence { given: 1, last: 2 }));
}

#[test]
fn ask_sent_again_changes_nothing() {
    let mut market = Market::new();
    market.admit(1, 1);
    market.offer(1, 50, 1).unwrap();
    let (head, version) = (market.book.head(), market.book.version());
    assert_eq!(market.offer(1, 50, 1), Ok(AskEffect::Unchanged { head }));
    assert_eq!(market.book.version(), version);
}

#[test]
fn removed_node_can_send_its_newest_ask_again_but_no_older_one() {
    let mut market = Market::new();
    market.admit(1, 1);
    market.offer(1, 50, 1).unwrap();
    market.offer(1, 40, 2).unwrap();
    let slot = market.book.slot(&node(1));
    market.remove(1).unwrap();
    assert!(prices(&market.book).is_empty());
    assert_eq!(market.offer(1, 40, 2), Err(AskRefused::UnknownNode(node(1))));
    assert_eq!(market.remove(1), None);
    market.admit(1, 1).unwrap();
    assert_eq!(market.offer(1, 50, 1), Err(AskRefused::StaleSequence { given: 1, last: 2 }));
    market.offer(1, 40, 2).unwrap();
    assert_eq!(prices(&market.book), [40]);
    assert_eq!(market.book.slot(&node(1)), slot);
}

#[test]
fn node_with_a_new_signer_loses_its_asks_and_signs_with_the_new_one() {
    let mut market = Market::new();
    market.admit(1, 1);
    market.offer(1, 50, 1).unwrap();
    let rotated = NodeFacts { signer: key(99).public(), payout_owner: owner(1) };
    market.book.admit_node(node(1), rotated).unwrap().unwrap();
    assert!(prices(&market.book).is_empty());
    assert_eq!(
        market.offer(1, 40, 2),
        Err(AskRefused::Signature(SignatureError::Signature(key(99).public())))
    );
    market.apply(&key(99).sign(ask(1, 40, 2)), NOW).unwrap();
    assert_eq!(prices(&market.book), [40]);
}

#[test]
fn node_with_a_new_payout_owner_keeps_its_asks() {
    let mut market = Market::new();
    market.admit(1, 1);
    market.offer(1, 50, 1).unwrap();
    market.admit(1, 2).unwrap();
    let snapshot = market.book.snapshot();
    let offer = snapshot.model(MODEL).unwrap().offers().next().unwrap();
    assert_eq!((offer.price, offer.payout_owner), (TokenPrice(50), owner(2)));
    assert_eq!(market.admit(1, 2), None);
}

#[test]
fn expiry_removes_exactly_what_has_ended() {
    let mut market = Market::new();
    for (number, expires) in [(1, 10), (2, 11), (3, 12)] {
        market.admit(number, number);
        let ask = Ask { expires: UnixMillis(NOW.0 + expires), ..ask(number, expires, 1) };
        market.apply(&key(number).sign(ask), NOW).unwrap();
    }
    assert_eq!(market.expire(UnixMillis(NOW.0 + 9)), None);
    market.expire(UnixMillis(NOW.0 + 11)).unwrap();
    assert_eq!(prices(&market.book), [12]);
    assert_eq!(market.expire(UnixMillis(NOW.0 + 11)), None);
}

#[test]
fn standing_survives_withdrawal_and_return() {
    let mut market = Market::of(&[Seller { quality: 15_000, ..Seller::new(1, 50) }]);
    market.remove(1);
    market.admit(1, 1);
    market.offer(1, 50, 1).unwrap();
    let snapshot = market.book.snapshot();
    let offer = snapshot.model(MODEL).unwrap().offers().next().unwrap();
    assert_eq!(offer.standing.quality, QualityFactor::clamped(15_000));
}

#[test]
fn ratings_that_change_nothing_are_left_out() {
    let mut market = Market::of(&[Seller::new(1, 50), Seller::new(2, 60)]);
    let rating = |number, model: &str, quality| Rating {
        node: node(number),
        model: model.to_owned(),
        standing: Standing { quality: QualityFactor::clamped(quality), recent_service: true },
    };
    let update = market
        .book
        .rate(&[
            rating(1, MODEL, 10_000),
            rating(2, MODEL, 12_000),
            rating(3, MODEL, 12_000),
            rating(1, "unlisted", 12_000),
        ])
        .unwrap();
    assert_eq!(
        BookEntry::try_from_slice(&update.entry).unwrap(),
        BookEntry::Rated { ratings: vec![rating(2, MODEL, 12_000)] }
    );
    assert_eq!(market.book.rate(&[rating(2, MODEL, 12_000)]), None);
    assert_eq!(
        market.book.rate(&[rating(1, MODEL, 11_000), rating(1, MODEL, 10_000)]),
        None,
        "the last of several ratings counts"
    );
}

#[test]
fn models_are_listed_once_and_can_change_weights() {
    let mut market = Market::new();
    assert_eq!(market.book.list_model(MODEL, WEIGHTS), Ok(None));
    let heavier = Weights { input: 1, output: 5 };
    market.book.list_model(MODEL, heavier).unwrap().unwrap();
    assert_eq!(market.book.snapshot().model(MODEL).unwrap().weights(), heavier);
    let weightless = Weights { input: 0, output: 0 };
    assert_eq!(market.book.list_model("free", weightless), Err(BookError::Weightless));
    assert_eq!(market.book.list_model("", WEIGHTS), Err(BookError::ModelName));
}

#[test]
fn model_list_shows_what_stands_now() {
    let mut market = Market::of(&[Seller::new(1, 50), Seller::new(2, 40)]);
    let ended = Ask { expires: UnixMillis(NOW.0 + 1), ..ask(2, 30, 2) };
    market.apply(&key(2).sign(ended), NOW).unwrap();
    let snapshot = market.book.snapshot();
    let now = snapshot.models(NOW).next().unwrap();
    assert_eq!((now.model, now.offers, now.lowest_ask), (MODEL, 2, Some(TokenPrice(30))));
    let after = snapshot.models(UnixMillis(NOW.0 + 1)).next().unwrap();
    assert_eq!((after.offers, after.lowest_ask), (1, Some(TokenPrice(50))));
}

#[test]
fn snapshot_is_not_changed_by_later_entries() {
    let mut market = Market::of(&[Seller::new(1, 50)]);
    let before = market.book.snapshot();
    market.offer(1, 40, 2).unwrap();
    assert_eq!(before.model(MODEL).unwrap().offers().next().unwrap().price, TokenPrice(50));
    assert_ne!(before.head(), market.book.head());
}

#[test]
fn replay_of_every_kind_of_entry_gives_the_same_book() {
    let mut market = Market::of(&[Seller::new(1, 50), Seller::new(2, 40), Seller::new(3, 60)]);
    market.offer(1, 45, 2).unwrap();
    market.admit(2, 7);
    market.remove(3);
    let short = Ask { expires: UnixMillis(NOW.0 + 5), ..ask(2, 41, 9) };
    market.apply(&key(2).sign(short), NOW).unwrap();
    market.apply(&key(1).sign(Ask { expires: NOW, ..ask(1, 45, 3) }), NOW).unwrap();
    market.expire(UnixMillis(NOW.0 + 5)).unwrap();
    market.offer(1, 44, 4).unwrap();
    let replayed = OrderBook::replay(market.decoded()).unwrap();
    assert_eq!(replayed.head(), market.book.head());
    assert_eq!(replayed.version(), market.book.version());
    let offers =
        |book: &OrderBook| -> Vec<_> { book.snapshot().model(MODEL).unwrap().offers().collect() };
    assert_eq!(offers(&replayed), offers(&market.book));
    let chained = market.entries.iter().fold(Hash32::ZERO, |head, entry| next_head(&head, entry));
    assert_eq!(chained, market.book.head());
}

#[test]
fn replay_refuses_what_a_book_does_not_write() {
    let market = Market::of(&[Seller::new(1, 50)]);
    let entries = market.decoded();
    assert_eq!(OrderBook::replay(entries[1..].to_vec()).unwrap_err(), ReplayError::Order(1));
    let twice = [&entries[..], &entries[..1]].concat();
    assert_eq!(OrderBook::replay(twice).unwrap_err(), ReplayError::Order(6));
    let idle = [&entries[..], &entries[4..5]].concat();
    assert_eq!(OrderBook::replay(idle).unwrap_err(), ReplayError::Idle(6));
    let mut forged = entries;
    let BookEntry::AskApplied { ask, .. } = &mut forged[3] else { panic!() };
    ask.record.price = TokenPrice(1);
    assert_eq!(
        OrderBook::replay(forged).unwrap_err(),
        ReplayError::Ask(4, AskRefused::Signature(SignatureError::Signature(key(1).public())))
    );
}

#[test]
fn quality_out_of_bounds_cannot_be_decoded() {
    for (bps, is_quality) in [(4_999, false), (5_000, true), (20_000, true), (20_001, false)] {
        let decoded = QualityFactor::try_from_slice(&u16::to_le_bytes(bps));
        assert_eq!(decoded.is_ok(), is_quality, "{bps}");
    }
}

#[test]
fn standing_follows_from_the_measurements_in_the_book_and_replays() {
    let mut market = Market::of(&[Seller::new(1, 100), Seller::new(2, 105)]);
    let at = UnixMillis(NOW.0 + RECENT_SERVICE.0);
    let (slow, stale) = (measured(1, 400, at), measured(2, 100, NOW));
    // In the order of nodes and models, whatever order they come in.
    let update = market.measure(at, &[stale.clone(), slow.clone()]).unwrap();
    let entry = BookEntry::Measured { at, measured: vec![slow.clone(), stale.clone()] };
    assert_eq!(BookEntry::decode(&update.entry).unwrap(), entry);
    let quality = quality_factor(&slow.measurements, &slow.reference);
    assert!(quality > QualityFactor::NEUTRAL);
    let standings = |book: &OrderBook| {
        let snapshot = book.snapshot();
        let offers = snapshot.model(MODEL).unwrap().offers().map(|offer| offer.standing);
        offers.collect::<Vec<_>>()
    };
    let expected = [
        Standing { quality, recent_service: true },
        Standing { quality: QualityFactor::NEUTRAL, recent_service: false },
    ];
    assert_eq!(standings(&market.book), expected);
    let replayed = OrderBook::replay(market.decoded()).unwrap();
    assert_eq!((standings(&replayed), replayed.head()), (expected.to_vec(), market.book.head()));

    // What changes no standing is not said again, nor what concerns nobody.
    assert_eq!(market.measure(at, std::slice::from_ref(&slow)), None);
    let mut unknown = measured(9, 400, at);
    assert_eq!(market.measure(at, &[unknown.clone()]), None);
    unknown.node = slow.node;
    unknown.model = "unlisted".to_owned();
    assert_eq!(market.measure(at, &[unknown]), None);
}

#[test]
fn replay_refuses_measurements_that_a_book_would_not_have_written() {
    let market = Market::of(&[Seller::new(1, 100), Seller::new(2, 105)]);
    let version = market.book.version() + 1;
    let (one, two) = (measured(1, 400, NOW), measured(2, 400, NOW));
    let unchanged = Measured { node: one.node, ..measured(1, 100, NOW) };
    let replayed = |measured: Vec<Measured>| {
        let mut entries = market.decoded();
        entries.push(BookEntry::Measured { at: NOW, measured });
        OrderBook::replay(entries).map(|book| book.version())
    };
    assert_eq!(replayed(vec![one.clone(), two.clone()]), Ok(version));
    for idle in [
        vec![],
        vec![unchanged.clone()],
        vec![unchanged, two.clone()],
        vec![two.clone(), one.clone()],
        vec![one.clone(), one],
    ] {
        assert_eq!(replayed(idle), Err(ReplayError::Idle(version)));
    }
}
