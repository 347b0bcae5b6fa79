//! One ticket under way at one node.
//!
//! Invariant: an assignment ends exactly once, as one of: given up before the first byte (nothing is
//! charged, the money goes to the next attempt or back), complete, or interrupted. Dropping it is an
//! interruption by the client, so that a request whose future is dropped is accounted for like any
//! other. Where two assignments of one request race, only one of them is: see [`Race`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pinaivu_auction::{Candidate, Seat};
use pinaivu_protocol::answer::Answer;
use pinaivu_protocol::commitment::Salt;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::Segment;
use pinaivu_protocol::proof::{Outcome, ProofOfInference};
use pinaivu_protocol::receipt::AuctionDigest;
use pinaivu_protocol::signed::Signed;
use pinaivu_protocol::ticket::Ticket;
use pinaivu_protocol::units::{FineAmount, Tariff, TokenCount, UnixMillis};
use tokio::time::Instant;

use super::Engine;
use super::admit::Admitted;
use super::meter::{Bounds, Counted, Delivered};
use crate::accounts::Hold;
use crate::receipts::{Billing, Draft, Flight, Metered};
use crate::recount::Tokenizers;
use crate::tunnel::{LiveNode, Sample};

/// What is needed to make a draft of an answer.
pub(super) struct Claim {
    pub(super) ticket: Ticket,
    pub(super) hash: Hash32,
    pub(super) digest: AuctionDigest,
    pub(super) bounds: Bounds,
    pub(super) hold: Arc<Hold>,
    pub(super) flight: Flight,
    pub(super) tokenizers: Tokenizers,
}

impl Claim {
    /// What may be charged for an answer with this text.
    pub(super) fn bounds_of(&self, answer: &Answer) -> Bounds {
        let most = self.tokenizers.most_output(&self.ticket.model, answer, self.bounds.choices);
        Bounds { output: self.bounds.output.min(most), ..self.bounds }
    }

    /// Whether a node's own count of an answer is beyond what it can have been by ours.
    fn is_overcounted(&self, answer: &Answer) -> bool {
        let Some(usage) = answer.usage.filter(|_| self.tokenizers.knows(&self.ticket.model)) else {
            return false;
        };
        // Whoever goes on with an answer reads what there is of it besides the prompt.
        let first = self.ticket.segment == Segment(0);
        let most = self.tokenizers.most_output(&self.ticket.model, answer, self.bounds.choices);
        (first && usage.prompt_tokens > self.bounds.input) || usage.completion_tokens > most
    }

    pub(super) const fn salt(&self) -> Salt {
        Salt(self.ticket.salt)
    }

    /// Whether a node's proof is about this ticket.
    pub(super) fn is_proved_by(&self, proof: &ProofOfInference) -> bool {
        let ticket = &self.ticket;
        proof.ticket == self.hash
            && (proof.deployment, proof.coordinator, proof.node)
                == (ticket.deployment, ticket.coordinator, ticket.node)
            && (proof.request, proof.segment) == (ticket.request, ticket.segment)
    }

    /// The draft of its receipt. All drafts of a request together charge at most what is held, and its
    /// prompt once.
    pub(super) fn draft(self, metered: Metered, proof: Option<ProofOfInference>) -> Draft {
        let payer = self.hold.payer();
        let metered = self.charge(metered);
        Draft {
            ticket: self.ticket,
            allowance: payer.allowance,
            escrow: payer.escrow,
            api_key: payer.api_key,
            metered,
            auction: self.digest,
            proof,
            flight: self.flight,
            hold: Some(Box::new(self.hold)),
        }
    }
}

impl Claim {
    fn charge(&self, mut metered: Metered) -> Metered {
        if metered.input_tokens > TokenCount::ZERO && !self.hold.charge_prompt() {
            metered.input_tokens = TokenCount::ZERO;
        }
        let tariff = &self.ticket.tariff;
        let amount = tariff.amount(metered.input_tokens, metered.output_tokens);
        let granted = self.hold.charge(amount);
        if granted < amount {
            tracing::error!(
                request = %self.ticket.request, node = %self.ticket.node, %amount, %granted,
                "a request would cost more than was held for it"
            );
            return within(metered, tariff, granted);
        }
        metered
    }
}

/// As many of the tokens as `amount` pays for, the prompt's first. Rounded down.
fn within(metered: Metered, tariff: &Tariff, amount: FineAmount) -> Metered {
    let most = |tokens: TokenCount, each: FineAmount, amount: FineAmount| {
        let paid = amount.0.checked_div(each.0).and_then(|paid| u32::try_from(paid).ok());
        // What costs nothing, and what more than all tokens could cost, is no limit.
        paid.map_or(tokens, |paid| tokens.min(TokenCount(paid)))
    };
    let one = TokenCount(1);
    let input = most(metered.input_tokens, tariff.amount(one, TokenCount::ZERO), amount);
    let left = amount.saturating_sub(tariff.amount(input, TokenCount::ZERO));
    let output = most(metered.output_tokens, tariff.amount(TokenCount::ZERO, one), left);
    Metered { input_tokens: input, output_tokens: output, ..metered }
}

/// A ticket that is on its way to its node with the client, and the place it has there.
pub(super) struct Handed {
    pub(super) claim: Claim,
    pub(super) seat: Option<Seat>,
}

/// See the module.
pub(super) struct Assignment {
    engine: Engine,
    node: Arc<LiveNode>,
    seat: Option<Seat>,
    claim: Option<Claim>,
    rated: bool,
    race: Option<Race>,
    dispatched: Instant,
    first_byte: Option<Instant>,
}

/// What every ticket of a request is issued against: its money, given back when the last one is
/// accounted for, and its place.
#[derive(Clone)]
pub(super) struct Means {
    pub(super) hold: Arc<Hold>,
    pub(super) flight: Flight,
}

/// Shared by assignments that race for one request: whether one of them has its receipt. The others'
/// tickets are void.
#[derive(Clone, Debug, Default)]
pub(super) struct Race(Arc<AtomicBool>);

impl Race {
    /// Whether nobody had it before.
    fn take(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

/// Whose fault it is that an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The node's: it counts in its rating.
    Node,
    /// Nobody's that is rated.
    Other,
}

impl Assignment {
    /// Makes and seals the ticket for one candidate.
    pub(super) fn new(
        engine: &Engine,
        request: &RequestFacts,
        candidate: &Candidate,
        node: Arc<LiveNode>,
        seat: Seat,
        means: Means,
    ) -> Self {
        let issued = engine.clock.now();
        let total = u64::try_from(engine.timeouts.total.as_millis()).unwrap_or(u64::MAX);
        let mut ticket = Ticket {
            deployment: engine.deployment,
            coordinator: engine.coordinator,
            node: candidate.node,
            request: means.flight.request(),
            segment: request.segment,
            model: request.model.clone(),
            max_output: request.bounds.output,
            tariff: candidate.tariff,
            issued,
            deadline: UnixMillis(issued.0.saturating_add(total)),
            salt: request.salt.0,
            request_commitment: request.commitment,
            book_head: request.book_head,
            billing: [0; 16],
            issuer_mac: [0; 32],
        };
        let payer = means.hold.payer();
        let billing = Billing { account: payer.handle, max_input: request.bounds.input };
        engine.signer.seal_ticket(&mut ticket, billing);
        let digest = AuctionDigest {
            book_head: request.book_head,
            // A receipt shows at most this many; more is beyond a book's limit.
            candidates: u16::try_from(candidate.competitors).unwrap_or(u16::MAX),
            winner_ask: candidate.ask,
            best_losing_ask: candidate.best_losing_ask,
        };
        let hash = ticket.hash();
        let Means { hold, flight } = means;
        let tokenizers = engine.tokenizers.clone();
        let bounds = request.bounds;
        let claim = Claim { ticket, hash, digest, bounds, hold, flight, tokenizers };
        Self {
            engine: engine.clone(),
            node,
            seat: Some(seat),
            claim: Some(claim),
            rated: request.rated,
            race: None,
            dispatched: Instant::now(),
            first_byte: None,
        }
    }

    /// Who serves it.
    pub(super) fn node(&self) -> &Arc<LiveNode> {
        &self.node
    }

    /// The ticket; nothing only while the assignment is being ended.
    pub(super) fn ticket(&self) -> Option<&Ticket> {
        self.claim.as_ref().map(|claim| &claim.ticket)
    }

    /// Takes part in a race, if there is one.
    pub(super) fn racing(mut self, race: &Race) -> Self {
        self.race = Some(race.clone());
        self
    }

    /// It alone goes on.
    pub(super) fn win(&mut self) {
        if let Some(race) = self.race.take() {
            race.take();
        }
    }

    /// The first byte of the answer is here.
    pub(super) fn begun(&mut self) {
        self.first_byte.get_or_insert_with(Instant::now);
    }

    /// Nothing of an answer has reached the client and nothing will from this node: its ticket is void,
    /// whatever it says later.
    pub(super) fn give_up(mut self, fault: Fault) {
        // It has lost the race; whoever goes on has not.
        self.race = None;
        self.void(fault);
    }

    fn void(&mut self, fault: Fault) {
        let Some(claim) = self.claim.take() else { return };
        if fault == Fault::Node && self.rated {
            self.engine.nodes.record(&claim.ticket, Sample::Failed);
        }
        self.engine.receipts.abandon(&claim.ticket);
    }

    /// The client carries the ticket to the node itself; what becomes of it the node reports.
    pub(super) fn hand_over(mut self) -> Option<(Signed<Ticket>, Handed)> {
        let claim = self.claim.take()?;
        let signed = self.engine.signer.sign_ticket(claim.ticket.clone());
        Some((signed, Handed { claim, seat: self.seat.take() }))
    }

    /// The whole answer has passed.
    pub(super) fn complete(mut self, delivered: &Delivered, proof: Option<ProofOfInference>) {
        let Some(claim) = self.claim.take() else { return };
        let bounds = claim.bounds_of(&delivered.answer);
        let metered = delivered.completed(bounds, &claim.salt());
        let proof = matching(&claim, proof, &metered);
        let now = Instant::now();
        let first_byte = self.first_byte.unwrap_or(now);
        if self.rated {
            let sample = if claim.is_overcounted(&delivered.answer) {
                tracing::warn!(
                    node = %claim.ticket.node, request = %claim.ticket.request,
                    usage = ?delivered.answer.usage, ?bounds,
                    "the node counts more tokens than the model's tokenizer"
                );
                Sample::Failed
            } else {
                Sample::Served {
                    first_byte: first_byte.duration_since(self.dispatched),
                    streaming: now.duration_since(first_byte).max(Duration::from_micros(1)),
                    output: metered.output_tokens,
                }
            };
            self.engine.nodes.record(&claim.ticket, sample);
        }
        self.engine.submit(claim.draft(metered, proof));
    }

    /// The answer was cut off. A node that failed may still have said what it counted (`proof`);
    /// otherwise its own count is waited for.
    pub(super) fn interrupt(
        mut self,
        delivered: Delivered,
        outcome: Outcome,
        proof: Option<ProofOfInference>,
    ) {
        self.end_interrupted(delivered, outcome, proof);
    }

    /// Another node has gone on with the answer, of whose limit `taken` was counted off for what this one
    /// delivered: that is what it is paid at most, and nothing for the prompt, which the other one had to
    /// read again. The client pays for both once.
    pub(super) fn superseded(
        mut self,
        delivered: Delivered,
        proof: Option<ProofOfInference>,
        taken: TokenCount,
    ) {
        if let Some(claim) = &mut self.claim {
            claim.bounds.input = TokenCount::ZERO;
            claim.bounds.output = claim.bounds.output.min(taken);
        }
        self.end_interrupted(delivered, Outcome::Failed, proof);
    }

    fn end_interrupted(
        &mut self,
        delivered: Delivered,
        outcome: Outcome,
        proof: Option<ProofOfInference>,
    ) {
        let Some(claim) = self.claim.take() else { return };
        self.seat.take();
        if outcome == Outcome::Failed && self.rated {
            self.engine.nodes.record(&claim.ticket, Sample::Failed);
        }
        let commitment = delivered.commitment(&claim.salt());
        match proof.filter(|proof| proof.response_commitment == commitment) {
            Some(proof) if claim.is_proved_by(&proof) => {
                let counted = Counted {
                    input: proof.input_tokens,
                    output: proof.output_tokens,
                    all_delivered: true,
                };
                let (bounds, salt) = (claim.bounds_of(&delivered.answer), claim.salt());
                let metered = delivered.interrupted(outcome, Some(counted), bounds, &salt);
                self.engine.submit(claim.draft(metered, Some(proof)));
            }
            _ => self.engine.interrupted.wait(claim, delivered, outcome),
        }
    }
}

impl Drop for Assignment {
    fn drop(&mut self) {
        if self.race.take().is_none_or(|race| race.take()) {
            self.end_interrupted(Delivered::default(), Outcome::Cancelled, None);
        } else {
            self.void(Fault::Other);
        }
        self.seat.take();
        self.engine.queue.call();
    }
}

/// The proof, when it is about exactly what was forwarded. A receipt cannot hold another one.
fn matching(
    claim: &Claim,
    proof: Option<ProofOfInference>,
    metered: &Metered,
) -> Option<ProofOfInference> {
    let proof = proof?;
    let matches =
        claim.is_proved_by(&proof) && proof.response_commitment == metered.response_commitment;
    if !matches {
        tracing::warn!(
            node = %claim.ticket.node, request = %claim.ticket.request,
            "the node's proof is not about the answer that was forwarded"
        );
    }
    matches.then_some(proof)
}

/// What all attempts at one segment of a request share.
#[derive(Clone)]
pub(super) struct RequestFacts {
    pub(super) segment: Segment,
    pub(super) model: String,
    pub(super) salt: Salt,
    pub(super) commitment: Hash32,
    pub(super) bounds: Bounds,
    pub(super) book_head: Hash32,
    pub(super) rated: bool,
}

impl RequestFacts {
    pub(super) fn of(admitted: &Admitted) -> Self {
        Self {
            segment: Segment(0),
            model: admitted.request.model.clone(),
            salt: admitted.salt,
            commitment: admitted.commitment,
            bounds: admitted.bounds,
            book_head: admitted.clearing.book_head,
            rated: admitted.rated,
        }
    }
}

#[cfg(test)]
mod tests {
    use pinaivu_protocol::units::TokenPrice;

    use super::*;

    #[test]
    fn charge_that_is_cut_pays_for_the_prompt_first_and_whole_tokens_only() {
        let tariff = Tariff { price: TokenPrice(10), input_weight: 1, output_weight: 4 };
        let metered = Metered {
            outcome: Outcome::Completed,
            response_commitment: Hash32([0; 32]),
            input_tokens: TokenCount(3),
            output_tokens: TokenCount(5),
        };
        // 30 for the prompt and 40 for each token.
        for (amount, input, output) in
            [(230, 3, 5), (229, 3, 4), (70, 3, 1), (69, 3, 0), (29, 2, 0), (0, 0, 0)]
        {
            let cut = within(metered, &tariff, FineAmount(amount));
            assert_eq!((cut.input_tokens.0, cut.output_tokens.0), (input, output), "{amount}");
        }
        let free = Tariff { price: TokenPrice(0), ..tariff };
        assert_eq!(within(metered, &free, FineAmount::ZERO), metered);
    }
}
