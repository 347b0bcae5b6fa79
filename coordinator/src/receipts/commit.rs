//! One group of drafts becomes receipts, inside one transaction.
//!
//! Everything a receipt continues (log head, peaks, cumulatives) is read in the same transaction that
//! writes it. So a group that fails leaves nothing in memory to repair, a second process on the same
//! database could not sign the same index, and a kill between any two instructions leaves either the
//! whole group or nothing of it.

use std::collections::HashMap;
use std::sync::Arc;

use pinaivu_log::audit::{OWNER_ALLOWANCE_TAG, OWNER_CUMULATIVE_TAG, OWNER_ESCROW_TAG};
use pinaivu_log::entry::MAX_ENTRY_BYTES;
use pinaivu_protocol::commitment::{Salt, value_commitment};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{AllowanceId, EscrowId, NodeId, RequestId, Segment};
use pinaivu_protocol::merkle::{CompactRange, MerkleError, Subtree, subtree_decomposition};
use pinaivu_protocol::proof::{Outcome, ProofOfInference};
use pinaivu_protocol::receipt::{
    AuctionDigest, EncodedBody, NodeStatement, OwnerCommitments, Receipt, ReceiptBody, ReceiptHead,
    fee_floor,
};
use pinaivu_protocol::ticket::Ticket;
use pinaivu_protocol::units::{Bps, FineAmount, Tariff, UnixMillis};
use tokio::sync::oneshot;

use super::pipeline::mismatch;
use super::{Flight, Metered, Receipted, Signer};
use crate::store::{ApiKeyId, Identity, NewFigure, NewReceipt, OwnerSalts, StoreError, Write};

/// Longest statement of a node in a receipt. Everything else in one is far below the rest of what an
/// entry of the log can hold.
const MAX_STATEMENT_BYTES: usize = MAX_ENTRY_BYTES - 4 * 1024;

/// What the receipt will say, but for what only the transaction knows.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) ticket: Ticket,
    pub(super) ticket_hash: Hash32,
    pub(super) allowance: AllowanceId,
    pub(super) escrow: EscrowId,
    pub(super) api_key: Option<ApiKeyId>,
    pub(super) metered: Metered,
    pub(super) auction: AuctionDigest,
    pub(super) statement: Option<Box<NodeStatement>>,
    pub(super) salts: OwnerSalts,
    /// From a proof presented again rather than from the engine.
    pub(super) represented: bool,
}

/// What is let go once a draft's fate is durable.
pub(super) struct Guard {
    pub(super) _flight: Option<Flight>,
    pub(super) _hold: Option<Box<dyn Send>>,
    pub(super) reply: Option<oneshot::Sender<Fate>>,
}

/// A draft on its way to the commit. Small: thousands of them gather while the disk is busy, in maps and
/// queues that keep the room of their fullest moment.
pub(super) struct Ready {
    pub(super) facts: Box<Facts>,
    /// The node's proof whose signed root has not come yet.
    pub(super) awaits: Option<Box<ProofOfInference>>,
    pub(super) guard: Guard,
}

impl std::fmt::Debug for Ready {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ready").field("facts", &self.facts).finish_non_exhaustive()
    }
}

/// What comes out of the pipeline's queue.
#[derive(Debug)]
pub(super) enum Work {
    Receipt(Ready),
    Abandon { ticket: Hash32, flight: Option<Flight> },
}

/// What became of a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is a new receipt.
    Made(Box<Receipted>),
    /// Its ticket had a receipt before.
    MadeBefore,
    /// Another ticket has the segment's receipt.
    Superseded,
    /// Its ticket was given up.
    Abandoned,
    /// Its allowance has no account.
    NoAccount,
    /// A cumulative would not fit.
    Overflow,
}

/// A group as the writer thread gets it.
#[derive(Debug)]
pub(super) struct Group {
    #[expect(clippy::vec_box, reason = "drafts are on the heap already and stay where they are")]
    pub(super) facts: Vec<Box<Facts>>,
    pub(super) abandoned: Vec<Hash32>,
}

/// Who signs, and with which rate.
#[derive(Clone, Debug)]
pub(super) struct Issuer {
    pub(super) identity: Identity,
    pub(super) signer: Arc<Signer>,
    pub(super) fee_rate: Bps,
    pub(super) now: UnixMillis,
    /// The evidence that receipts name.
    pub(super) attestation: Option<Hash32>,
    /// Tickets given up before this are forgotten.
    pub(super) forget_before: UnixMillis,
}

/// Runs a group; gives each draft's fate in order. Nothing may leave the process before the transaction
/// this runs in is durable.
pub(super) fn commit(
    transaction: &mut dyn Write,
    issuer: &Issuer,
    group: &Group,
) -> Result<Vec<Fate>, StoreError> {
    for ticket in &group.abandoned {
        transaction.abandon(ticket, issuer.now, issuer.forget_before)?;
    }
    if group.facts.is_empty() {
        return Ok(Vec::new());
    }
    let mut appender = Appender::begin(transaction, issuer)?;
    let fates = group.facts.iter().map(|facts| appender.append(facts)).collect::<Result<_, _>>()?;
    appender.finish()?;
    Ok(fates)
}

struct Appender<'a> {
    transaction: &'a mut dyn Write,
    issuer: &'a Issuer,
    epoch: u32,
    before: u64,
    tree: CompactRange,
    completed: Vec<(Subtree, Hash32)>,
    receipts: Vec<NewReceipt>,
    /// Tickets of this group that have receipts now.
    tickets: HashMap<(RequestId, Segment), Hash32>,
    accounts: HashMap<AllowanceId, FineAmount>,
    nodes: HashMap<NodeId, FineAmount>,
    keys: HashMap<ApiKeyId, FineAmount>,
    figures: HashMap<FigureKey, NewFigure>,
}

/// What receipts of one commit are summed up by.
type FigureKey = (AllowanceId, Option<ApiKeyId>, NodeId, String, Tariff);

impl<'a> Appender<'a> {
    fn begin(transaction: &'a mut dyn Write, issuer: &'a Issuer) -> Result<Self, StoreError> {
        let head = transaction.log_head()?;
        let peaks = subtree_decomposition(0, head.size)
            .map_err(full)?
            .map(|peak| transaction.epoch_node(head.epoch, peak.level, peak.index))
            .collect::<Result<Vec<_>, _>>()?;
        let tree = CompactRange::from_peaks(head.size, peaks).map_err(full)?;
        if tree.root() != head.root {
            return Err(StoreError::Corrupt("the log's peaks do not lead to its root"));
        }
        Ok(Self {
            transaction,
            issuer,
            epoch: head.epoch,
            before: head.size,
            tree,
            completed: Vec::new(),
            receipts: Vec::new(),
            tickets: HashMap::new(),
            accounts: HashMap::new(),
            nodes: HashMap::new(),
            keys: HashMap::new(),
            figures: HashMap::new(),
        })
    }

    fn append(&mut self, facts: &Facts) -> Result<Fate, StoreError> {
        let ticket = &facts.ticket;
        let segment = (ticket.request, ticket.segment);
        let known = match self.tickets.get(&segment) {
            Some(known) => Some(*known),
            None => self.transaction.receipted_ticket(&ticket.request, ticket.segment)?,
        };
        match known {
            Some(known) if known == facts.ticket_hash => return Ok(Fate::MadeBefore),
            Some(_) => return Ok(Fate::Superseded),
            None => {}
        }
        if facts.represented && self.transaction.is_abandoned(&facts.ticket_hash)? {
            return Ok(Fate::Abandoned);
        }
        let Some(charged) = self.charged(&facts.allowance)? else { return Ok(Fate::NoAccount) };
        let earned = self.earned(&ticket.node)?;

        let metered = facts.metered;
        let statement = statement(facts);
        // Nobody is charged for more than the node itself says it counted.
        let counted = statement.as_ref().map(|statement| &statement.proof);
        let input_tokens = counted
            .map_or(metered.input_tokens, |proof| proof.input_tokens.min(metered.input_tokens));
        let output_tokens = counted
            .map_or(metered.output_tokens, |proof| proof.output_tokens.min(metered.output_tokens));
        let metered = Metered { input_tokens, output_tokens, ..metered };
        let amount = ticket.tariff.amount(input_tokens, output_tokens);
        // The fee rounds down in the fine unit; the node has the rest, so that the two make the amount.
        let fee = fee_floor(amount, self.issuer.fee_rate);
        let share = fee.and_then(|fee| amount.checked_sub(fee));
        let cumulatives =
            charged.checked_add(amount).zip(share.and_then(|s| earned.checked_add(s)));
        let Some((fee, (allowance_cumulative, node_cumulative))) = fee.zip(cumulatives) else {
            return Ok(Fate::Overflow);
        };
        if !settles(allowance_cumulative) || !settles(node_cumulative) {
            return Ok(Fate::Overflow);
        }

        let body = ReceiptBody {
            model: ticket.model.clone(),
            ticket: facts.ticket_hash,
            request_commitment: ticket.request_commitment,
            response_commitment: metered.response_commitment,
            input_tokens,
            output_tokens,
            tariff: ticket.tariff,
            amount,
            fee,
            fee_rate: self.issuer.fee_rate,
            outcome: metered.outcome,
            auction: facts.auction,
            owner: owner_commitments(facts, allowance_cumulative),
            statement,
            attestation: self.issuer.attestation,
            created: self.issuer.now,
        };
        let index = self.tree.size();
        let encoded = EncodedBody::of(&body);
        let head = ReceiptHead {
            deployment: self.issuer.identity.deployment,
            coordinator: self.issuer.identity.coordinator,
            epoch: self.epoch,
            index,
            request: ticket.request,
            segment: ticket.segment,
            node: ticket.node,
            node_cumulative,
            body: encoded.hash(),
        };
        let leaf = encoded.leaf(&head);
        let head = self.issuer.signer.sign_head(head);
        let bytes = encoded.under(&head);
        let receipt = Receipt { head, body };
        debug_assert_eq!(receipt.check_consistency(), Ok(()));
        debug_assert_eq!((receipt.leaf(), receipt.encode()), (leaf, bytes.clone()));
        let Receipt { head, body } = receipt;
        self.tickets.insert(segment, facts.ticket_hash);
        self.receipts.push(NewReceipt {
            epoch: self.epoch,
            index,
            request: ticket.request,
            segment: ticket.segment,
            ticket: facts.ticket_hash,
            node: ticket.node,
            node_cumulative,
            allowance: facts.allowance,
            allowance_cumulative,
            amount,
            fee,
            api_key: facts.api_key,
            model: body.model,
            outcome: metered.outcome,
            salts: facts.salts,
            signer: self.issuer.signer.public(),
            bytes,
        });
        let completed = &mut self.completed;
        self.tree
            .push_with(leaf, |subtree, hash| completed.push((subtree, *hash)))
            .map_err(full)?;
        self.accounts.insert(facts.allowance, allowance_cumulative);
        self.nodes.insert(ticket.node, node_cumulative);
        let api_key = self.spent(facts.api_key, amount)?;
        self.count(facts, &metered, amount, fee);
        Ok(Fate::Made(Box::new(Receipted {
            allowance: facts.allowance,
            allowance_cumulative,
            amount,
            api_key,
            tokens: u64::from(metered.input_tokens.0)
                .saturating_add(metered.output_tokens.0.into()),
            node: ticket.node,
            ticket: facts.ticket_hash,
            head,
        })))
    }

    fn finish(self) -> Result<(), StoreError> {
        if !self.receipts.is_empty() {
            self.transaction.append_receipts(&self.receipts)?;
            self.transaction.put_nodes(&self.completed)?;
        }
        if !self.figures.is_empty() {
            let figures: Vec<NewFigure> = self.figures.into_values().collect();
            self.transaction.add_figures(&figures)?;
        }
        if self.tree.size() > self.before {
            self.transaction.set_log_head(self.tree.size(), &self.tree.root())?;
        }
        Ok(())
    }

    /// What the key has spent with this receipt. The store adds the same in [`Self::finish`].
    fn spent(
        &mut self,
        key: Option<ApiKeyId>,
        amount: FineAmount,
    ) -> Result<Option<(ApiKeyId, FineAmount)>, StoreError> {
        let Some(id) = key else { return Ok(None) };
        let before = match self.keys.get(&id) {
            Some(known) => *known,
            None => {
                let key = self.transaction.api_key_by_id(&id)?;
                key.ok_or(StoreError::Missing("API key"))?.spent
            }
        };
        let spent = before.checked_add(amount).ok_or(StoreError::Range("what a key spent"))?;
        self.keys.insert(id, spent);
        Ok(Some((id, spent)))
    }

    fn count(&mut self, facts: &Facts, metered: &Metered, amount: FineAmount, fee: FineAmount) {
        let Facts { ticket, allowance, api_key, .. } = facts;
        let key = (*allowance, *api_key, ticket.node, ticket.model.clone(), ticket.tariff);
        let figure = self.figures.entry(key).or_insert_with(|| NewFigure {
            at: self.issuer.now,
            allowance: *allowance,
            api_key: *api_key,
            node: ticket.node,
            model: ticket.model.clone(),
            tariff: ticket.tariff,
            requests: 0,
            failed: 0,
            input_tokens: 0,
            output_tokens: 0,
            charged: FineAmount::ZERO,
            fees: FineAmount::ZERO,
        });
        figure.requests = figure.requests.saturating_add(1);
        figure.failed = figure.failed.saturating_add(u32::from(metered.outcome == Outcome::Failed));
        figure.input_tokens = figure.input_tokens.saturating_add(metered.input_tokens.0.into());
        figure.output_tokens = figure.output_tokens.saturating_add(metered.output_tokens.0.into());
        // Each amount fits well below; a sum that did not would have failed the receipt's cumulative.
        figure.charged = FineAmount(figure.charged.0.saturating_add(amount.0));
        figure.fees = FineAmount(figure.fees.0.saturating_add(fee.0));
    }

    fn charged(&self, allowance: &AllowanceId) -> Result<Option<FineAmount>, StoreError> {
        match self.accounts.get(allowance) {
            Some(known) => Ok(Some(*known)),
            None => Ok(self.transaction.account_of(allowance)?.map(|account| account.receipted)),
        }
    }

    fn earned(&self, node: &NodeId) -> Result<FineAmount, StoreError> {
        match self.nodes.get(node) {
            Some(known) => Ok(*known),
            None => {
                let total = self.transaction.node_total(node)?;
                Ok(total.map_or(FineAmount::ZERO, |total| total.earned))
            }
        }
    }
}

/// The node's statement, if it is about this answer and under its root. It was checked on arrival; what
/// is signed here is checked here as well.
fn statement(facts: &Facts) -> Option<NodeStatement> {
    let statement = facts.statement.as_ref()?;
    let difference = mismatch(
        &statement.proof,
        &facts.ticket,
        &facts.ticket_hash,
        &facts.metered.response_commitment,
    );
    if difference.is_some() || statement.evidence.check_inclusion(&statement.proof).is_err() {
        tracing::error!(request = %facts.ticket.request, "a statement that was checked does not hold");
        return None;
    }
    if !fits_the_log(statement) {
        tracing::warn!(node = %facts.ticket.node, "a node's statement is too long for the log");
        return None;
    }
    Some(NodeStatement::clone(statement))
}

/// Whether a receipt with this statement fits an entry of the log: names of models and servers are the
/// node's own and could be of any length.
fn fits_the_log(statement: &NodeStatement) -> bool {
    borsh::object_length(statement).is_ok_and(|length| length <= MAX_STATEMENT_BYTES)
}

/// Whether a cumulative can be brought to the chain and stored: in whole units it fits a positive
/// 64-bit integer.
fn settles(cumulative: FineAmount) -> bool {
    cumulative.to_amount_ceil().is_some_and(|whole| i64::try_from(whole.0).is_ok())
}

const fn full(_: MerkleError) -> StoreError {
    StoreError::Corrupt("the log cannot grow")
}

fn owner_commitments(facts: &Facts, cumulative: FineAmount) -> OwnerCommitments {
    let salts = &facts.salts;
    OwnerCommitments {
        escrow: value_commitment(OWNER_ESCROW_TAG, &salts.escrow, &facts.escrow.0),
        allowance: value_commitment(OWNER_ALLOWANCE_TAG, &salts.allowance, &facts.allowance.0),
        cumulative: value_commitment(
            OWNER_CUMULATIVE_TAG,
            &salts.cumulative,
            &cumulative.0.to_le_bytes(),
        ),
    }
}

/// Three fresh salts.
pub(super) fn fresh_salts() -> OwnerSalts {
    OwnerSalts { escrow: Salt::random(), allowance: Salt::random(), cumulative: Salt::random() }
}
