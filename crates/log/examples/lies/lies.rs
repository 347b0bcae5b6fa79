//! Every way to lie that the audit is for, each as a change of an honest story.
//!
//! Whether the program would have refused is not asserted here but tried: with the rules it runs
//! (`pinaivu_rules`) and the tree arithmetic of its `log_extend`.

use pinaivu_log::audit::Contradiction;
use pinaivu_protocol::ids::{CoordinatorId, Segment};
use pinaivu_protocol::merkle::{
    CompactRange, NodeSource as _, root_of_peaks, subtree_decomposition, subtree_hashes, tree_root,
};
use pinaivu_protocol::receipt::fee_floor;
use pinaivu_protocol::units::{Amount, Bps, TokenCount, TokenPrice};
use pinaivu_rules::Totals;

use super::world::{ANCHORED, FEE_RATE, Story, allowance, commitments, node, stated, stranger};

/// One lie.
pub(crate) struct Lie {
    /// Which of the eight ways it is one of.
    pub(crate) way: &'static str,
    /// In words.
    pub(crate) name: &'static str,
    /// What the audit must call it, among other things.
    pub(crate) kind: Contradiction,
    /// Tells it.
    pub(crate) tell: fn(&mut Story),
}

/// An entry in the middle of what the chain covers.
const VICTIM: usize = 300;

/// Changes one receipt and makes body hash and sums follow.
fn rewrite(story: &mut Story, change: impl FnOnce(&mut pinaivu_log::entry::Entry)) {
    change(&mut story.entries[VICTIM]);
    story.relink();
}

fn charge(entry: &mut pinaivu_log::entry::Entry) {
    let body = &mut entry.body;
    body.amount = body.tariff.amount(body.input_tokens, body.output_tokens);
    body.fee = fee_floor(body.amount, body.fee_rate).unwrap();
}

/// The jump leads to a whole number of millionths inside what the chain holds, as an honest one would after a
/// loss, and nothing is left undistributed.
pub(crate) fn a_friend_gains_with_an_epoch(story: &mut Story) {
    *story = Story::restored();
    let last = story.entries.iter().rfind(|entry| entry.head.node == node(0)).unwrap();
    let jump = 50_000_000 - last.head.node_cumulative.0 % 1_000_000;
    for entry in story.second.iter_mut().filter(|entry| entry.head.node == node(0)) {
        entry.head.node_cumulative.0 += jump;
    }
    story.anchor_second();
    story.settled.credits.get_mut(&node(1)).unwrap().0 -= 49;
    story.settled.credits.get_mut(&node(0)).unwrap().0 += 49;
    let given = story.settled.credited.0 + story.settled.fees.0;
    // Those who were debited last are still to pay what is missing.
    let open = story.settled.debited.0 - given;
    story.settled.debits.get_mut(&allowance(0)).unwrap().0 -= open;
    story.sum();
}

/// All lies.
pub(crate) const LIES: &[Lie] = &[
    Lie {
        way: "drops",
        name: "an anchored receipt is left out",
        kind: Contradiction::Root,
        tell: |story| {
            story.entries.remove(VICTIM);
            story.relink();
        },
    },
    Lie {
        way: "drops",
        name: "the newest anchored receipts are left out",
        kind: Contradiction::Shrunk,
        tell: |story| story.entries.truncate(VICTIM),
    },
    Lie {
        way: "drops",
        name: "a receipt is left out before it is anchored; its payer holds it",
        kind: Contradiction::Equivocation,
        tell: |story| {
            story.evidence.held.push(story.receipt(VICTIM));
            story.evidence.owner.clear();
            story.entries.remove(VICTIM);
            story.relink();
            story.anchor();
            story.settle();
        },
    },
    Lie {
        way: "drops",
        name: "a receipt is left out before it is anchored, and the sums are kept",
        kind: Contradiction::Cumulative,
        tell: |story| {
            story.evidence.owner.clear();
            story.entries.remove(VICTIM);
            for (index, entry) in story.entries.iter_mut().enumerate() {
                entry.head.index = u64::try_from(index).unwrap();
            }
            story.anchor();
        },
    },
    Lie {
        way: "drops",
        name: "entries are anchored and not served",
        kind: Contradiction::Unavailable,
        tell: |story| story.withheld.push("tile/entries/001".to_owned()),
    },
    Lie {
        way: "reorders",
        name: "two anchored receipts change places",
        kind: Contradiction::Root,
        tell: |story| {
            story.entries.swap(VICTIM, VICTIM + 1);
            story.relink();
        },
    },
    Lie {
        way: "reorders",
        name: "two receipts change places before they are anchored; a node holds one",
        kind: Contradiction::Equivocation,
        tell: |story| {
            story.evidence.held.push(story.receipt(VICTIM));
            story.entries.swap(VICTIM, VICTIM + 1);
            story.relink();
            story.anchor();
        },
    },
    Lie {
        way: "reorders",
        name: "a receipt stands where its head does not say",
        kind: Contradiction::Place,
        tell: |story| {
            story.entries[VICTIM].head.index += 1;
            story.anchor();
        },
    },
    Lie {
        way: "edits",
        name: "a model's name is changed in an anchored receipt",
        kind: Contradiction::Root,
        tell: |story| rewrite(story, |entry| entry.body.model = "dearer-model".to_owned()),
    },
    Lie {
        way: "edits",
        name: "a body is changed without its hash",
        kind: Contradiction::Body,
        tell: |story| {
            story.entries[VICTIM].body.model = "dearer-model".to_owned();
            story.anchor();
        },
    },
    Lie {
        way: "edits",
        name: "the node's statement is about another answer",
        kind: Contradiction::Statement,
        tell: |story| {
            let other = story.entries[VICTIM + 3].body.statement.clone();
            rewrite(story, |entry| entry.body.statement = other);
            story.anchor();
        },
    },
    Lie {
        way: "edits",
        name: "a statement is written after the node signed",
        kind: Contradiction::Statement,
        tell: |story| {
            rewrite(story, |entry| {
                let statement = entry.body.statement.as_mut().unwrap();
                statement.proof.output_tokens = TokenCount(9_000);
            });
            story.anchor();
        },
    },
    Lie {
        way: "edits",
        name: "a statement is signed with a key that is not the node's",
        kind: Contradiction::NodeKey,
        tell: |story| {
            rewrite(story, |entry| {
                let statement = entry.body.statement.as_mut().unwrap();
                statement.evidence = stated(&statement.proof, &stranger().0);
            });
            story.anchor();
        },
    },
    Lie {
        way: "edits",
        name: "another coordinator's receipt stands in the log",
        kind: Contradiction::Party,
        tell: |story| {
            rewrite(story, |entry| entry.head.coordinator = CoordinatorId([0x77; 32]));
            story.anchor();
        },
    },
    Lie {
        way: "edits",
        name: "one answer is receipted twice",
        kind: Contradiction::Duplicate,
        tell: |story| {
            let twice = story.entries[VICTIM].clone();
            story.evidence.owner.clear();
            story.entries.insert(VICTIM + 100, twice);
            story.relink();
            story.anchor();
            story.settle();
        },
    },
    Lie {
        way: "edits",
        name: "a segment comes without the one before it",
        kind: Contradiction::Segment,
        tell: |story| {
            rewrite(story, |entry| entry.head.segment = Segment(1));
            story.anchor();
        },
    },
    Lie {
        way: "inflates",
        name: "more tokens than the node counted",
        kind: Contradiction::Tokens,
        tell: |story| {
            rewrite(story, |entry| {
                entry.body.output_tokens = TokenCount(9_000);
                charge(entry);
            });
            story.anchor();
            story.settle();
        },
    },
    Lie {
        way: "inflates",
        name: "answers of a node that is not on chain",
        kind: Contradiction::UnknownNode,
        tell: |story| {
            for entry in story.entries.iter_mut().skip(VICTIM).filter(|e| e.head.node == node(1)) {
                entry.head.node = node(0x20);
                entry.body.statement = None;
            }
            story.relink();
            story.anchor();
            story.settle();
        },
    },
    Lie {
        way: "inflates",
        name: "an amount that tokens and tariff do not give",
        kind: Contradiction::Arithmetic,
        tell: |story| {
            rewrite(story, |entry| entry.body.amount.0 += 1);
            story.anchor();
        },
    },
    Lie {
        way: "inflates",
        name: "a price a tenth and a bit above the winner's ask",
        kind: Contradiction::Price,
        tell: |story| {
            rewrite(story, |entry| {
                entry.body.tariff.price = TokenPrice(220_001);
                charge(entry);
            });
            story.anchor();
            story.settle();
        },
    },
    Lie {
        way: "inflates",
        name: "one allowance is debited beyond its receipts",
        kind: Contradiction::Debits,
        tell: |story| {
            let debit = story.settled.debits.get_mut(&allowance(0)).unwrap();
            debit.0 += 1_000;
            story.sum();
        },
    },
    Lie {
        way: "inflates",
        name: "one allowance is debited for another's receipts",
        kind: Contradiction::OwnerDebit,
        tell: |story| {
            story.settled.debits.get_mut(&allowance(0)).unwrap().0 += 1_000;
            story.settled.debits.get_mut(&allowance(1)).unwrap().0 -= 1_000;
        },
    },
    Lie {
        way: "inflates",
        name: "an owner's cumulative rises by more than the receipt",
        kind: Contradiction::OwnerCumulative,
        tell: |story| {
            for record in story.evidence.owner.iter_mut().skip(VICTIM) {
                record.allowance_cumulative.0 += 1_000_000;
                story.entries[usize::try_from(record.index).unwrap()].body.owner =
                    commitments(record);
            }
            story.relink();
            story.anchor();
        },
    },
    Lie {
        way: "inflates",
        name: "a receipt is charged to somebody else than its payer was told",
        kind: Contradiction::OwnerCommitment,
        tell: |story| {
            let mut record = story.evidence.owner[VICTIM].clone();
            record.allowance = allowance(7);
            rewrite(story, |entry| entry.body.owner = commitments(&record));
            story.anchor();
        },
    },
    Lie {
        way: "forks",
        name: "a log of its own for the auditor",
        kind: Contradiction::Root,
        tell: |story| {
            for entry in &mut story.entries {
                entry.body.model = "another-history".to_owned();
            }
            story.relink();
        },
    },
    Lie {
        way: "forks",
        name: "a head that a witness saw is not the log's",
        kind: Contradiction::Root,
        tell: |story| {
            let before = story.tree();
            let root = tree_root(&before, ANCHORED + 5).unwrap();
            story.evidence.heads.push((0, ANCHORED + 5, root, "a witness".to_owned()));
            let last = story.entries.len() - 8;
            story.entries[last].body.model = "another-history".to_owned();
            story.relink();
        },
    },
    Lie {
        way: "forks",
        name: "the log is smaller than a head shown before",
        kind: Contradiction::Shrunk,
        tell: |story| {
            let tree = story.tree();
            let head = (0, tree.size(), tree.root(), "a saved checkpoint".to_owned());
            story.evidence.heads.push(head);
            story.entries.truncate(usize::try_from(ANCHORED).unwrap());
            story.evidence.owner.truncate(usize::try_from(ANCHORED).unwrap());
        },
    },
    Lie {
        way: "forks",
        name: "the checkpoint is signed with another key",
        kind: Contradiction::Checkpoint,
        tell: |story| story.signer = 0xee,
    },
    Lie {
        way: "under-pays",
        name: "a node is credited less, while the money lies there",
        kind: Contradiction::Unpaid,
        tell: |story| {
            story.settled.credits.get_mut(&node(1)).unwrap().0 -= 500;
            story.sum();
        },
    },
    Lie {
        way: "under-pays",
        name: "a node's cumulative grows by less than it earned",
        kind: Contradiction::Cumulative,
        tell: |story| {
            for entry in story.entries.iter_mut().skip(VICTIM) {
                if entry.head.node == node(1) {
                    entry.head.node_cumulative.0 -= 1_000_000;
                }
            }
            story.anchor();
        },
    },
    Lie {
        way: "over-credits itself",
        name: "fees at the rate of all debits, although some receipts were of the past",
        kind: Contradiction::Fees,
        tell: |story| {
            // Inside what the program allows for what was debited, above what receipts say.
            story.settled.debits.get_mut(&allowance(0)).unwrap().0 += 40;
            story.settled.fees.0 += 2;
            story.sum();
        },
    },
    Lie {
        way: "over-credits itself",
        name: "fees above the rate",
        kind: Contradiction::Fees,
        tell: |story| {
            story.settled.fees.0 += 500;
            story.settled.credits.get_mut(&node(1)).unwrap().0 -= 500;
            story.sum();
        },
    },
    Lie {
        way: "over-credits itself",
        name: "a higher rate in receipts than on chain",
        kind: Contradiction::FeeRate,
        tell: |story| {
            for entry in &mut story.entries {
                entry.body.fee_rate = Bps(900);
                charge(entry);
            }
            story.relink();
            story.anchor();
            story.settle();
        },
    },
    Lie {
        way: "over-credits itself",
        name: "a friend's node is credited without receipts",
        kind: Contradiction::Credits,
        tell: |story| {
            story.settled.credits.insert(node(9), Amount(50));
            story.settled.credits.get_mut(&node(1)).unwrap().0 -= 50;
        },
    },
    Lie {
        way: "over-credits itself",
        name: "more is given out than was debited",
        kind: Contradiction::Credits,
        tell: |story| {
            story.settled.credits.get_mut(&node(1)).unwrap().0 += 5_000;
            story.sum();
        },
    },
    Lie {
        way: "over-credits itself",
        name: "a new epoch begins with more than a friend earned, paid from what others did",
        kind: Contradiction::Cumulative,
        tell: a_friend_gains_with_an_epoch,
    },
    Lie {
        way: "over-credits itself",
        name: "anchored receipts are lost, and a friend goes on from more than the chain credited",
        kind: Contradiction::Cumulative,
        tell: |story| {
            *story = Story::restored_with_a_gap();
            for entry in story.second.iter_mut().filter(|entry| entry.head.node == node(0)) {
                entry.head.node_cumulative.0 += 7_000_000_000_000;
            }
            story.anchor_second();
        },
    },
    Lie {
        way: "omits a node",
        name: "a node's receipts are not logged; it holds one",
        kind: Contradiction::Equivocation,
        tell: |story| {
            let index = story.entries.iter().rposition(|e| e.head.node == node(2)).unwrap();
            story.evidence.held.push(story.receipt(index));
            story.evidence.owner.clear();
            let friend = node(0);
            let keep = |e: &&pinaivu_log::entry::Entry| e.head.node != node(2);
            let mut kept: Vec<_> = story.entries.iter().filter(keep).cloned().collect();
            // Others fill the places, so that the log has its size.
            let more = story.entries.len() - kept.len();
            let filler: Vec<_> = (0..more)
                .map(|number| {
                    let mut entry = kept[number].clone();
                    entry.head.request.0[15] ^= 0xff;
                    entry.head.node = friend;
                    entry.body.statement = None;
                    entry
                })
                .collect();
            kept.extend(filler);
            story.entries = kept;
            story.relink();
            story.anchor();
            story.settle();
        },
    },
    Lie {
        way: "omits a node",
        name: "a node that is in the log is never credited",
        kind: Contradiction::Unpaid,
        tell: |story| {
            story.settled.credits.remove(&node(2));
            story.sum();
        },
    },
];

/// Why the program does not let this happen on chain; nothing when it does.
pub(crate) fn refusal(honest: &Story, told: &Story) -> Option<&'static str> {
    rewrites_the_log(honest, told).or_else(|| gives_out_too_much(told))
}

/// The chain holds the honest head: bringing the lie's there is an extension that the program computes.
fn rewrites_the_log(honest: &Story, told: &Story) -> Option<&'static str> {
    if told.opening.open != honest.opening.open {
        // The lie was there first, and the program cannot know.
        return None;
    }
    let (before, after) = (honest.tree(), told.tree());
    if after.size() < ANCHORED {
        return Some("LogNotGrowing: a log only grows");
    }
    if tree_root(&after, ANCHORED).unwrap() == honest.opening.open.root {
        return None;
    }
    let peaks = subtree_decomposition(0, ANCHORED)
        .unwrap()
        .map(|peak| before.node(peak.level, peak.index).unwrap());
    let mut stored = CompactRange::from_peaks(ANCHORED, peaks.collect()).unwrap();
    let hashes = subtree_hashes(&after, ANCHORED, after.size()).unwrap();
    if after.size() == ANCHORED {
        return Some("LogNotGrowing: a log only grows");
    }
    stored.extend(after.size(), &hashes).unwrap();
    (root_of_peaks(stored.peaks()) != after.root())
        .then_some("LogRootMismatch: the root is computed from the stored peaks")
}

fn gives_out_too_much(told: &Story) -> Option<&'static str> {
    let settled = &told.settled;
    let mut totals = Totals { debited: settled.debited, ..Totals::default() };
    let credited = totals.credit(Amount::ZERO, settled.credited).unwrap();
    if credited < settled.credited {
        return Some("credits stop at what was debited");
    }
    let kept = totals.keep(settled.fees, FEE_RATE).unwrap();
    (kept < settled.fees).then_some("fees stop at their rate of what was debited")
}
