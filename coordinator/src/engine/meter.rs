//! Counts what an answer costs, from the bytes that are forwarded.
//!
//! The node's own count is believed up to bounds that the forwarded text implies: no more prompt tokens
//! than the body has bytes (plus the template's), no more generated tokens than the text has bytes
//! (plus the end of each choice that was asked for), never more than the ticket allows, and no more than
//! [`recount`](crate::recount) leaves where the model's tokenizer is there. An answer that was cut off
//! has no count; then each piece that was delivered counts as one token, which no server exceeds by
//! much, and the node's own count may only lower it.

use pinaivu_protocol::answer::{Answer, AnswerAssembler, AnswerError, Pushed, Usage};
use pinaivu_protocol::commitment::{Salt, response_commitment};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::proof::Outcome;
use pinaivu_protocol::units::TokenCount;

use crate::receipts::Metered;
use crate::recount::output_bound;

/// What one ticket may be charged for at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Prompt tokens: what the hold was computed with.
    pub(super) input: TokenCount,
    /// Generated tokens: the ticket's limit.
    pub(super) output: TokenCount,
    /// Choices that were asked for.
    pub(super) choices: u32,
}

/// Collects one answer as it passes.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter {
    assembler: AnswerAssembler,
    pieces: u32,
    /// Chunks with choices, whether they say anything or not.
    chunks: u32,
}

impl Meter {
    /// For an answer of at most so many choices.
    pub(super) fn of_choices(most: u32) -> Self {
        Self { assembler: AnswerAssembler::of_choices(most), ..Self::default() }
    }

    /// Adds a chunk that is about to be forwarded.
    pub(super) fn push(&mut self, chunk: &[u8]) -> Result<Pushed, AnswerError> {
        let before = self.assembler.output_bytes();
        let pushed = self.assembler.push_json(chunk)?;
        if self.assembler.output_bytes() > before {
            self.pieces = self.pieces.saturating_add(1);
        }
        if !pushed.is_bare {
            self.chunks = self.chunks.saturating_add(1);
        }
        Ok(pushed)
    }

    /// Chunks with choices so far.
    pub(super) const fn chunks(&self) -> u32 {
        self.chunks
    }

    /// Bytes that what came so far takes up here.
    pub(super) const fn held_bytes(&self) -> usize {
        self.assembler.held_bytes()
    }

    /// The answer as it was forwarded, and how many pieces it came in.
    pub(super) fn finish(self) -> Delivered {
        Delivered { answer: self.assembler.finish(), pieces: TokenCount(self.pieces) }
    }
}

/// An answer, or as much of it as was forwarded.
#[derive(Clone, Debug, Default)]
pub(super) struct Delivered {
    /// The canonical answer.
    pub(super) answer: Answer,
    /// Pieces with text.
    pub(super) pieces: TokenCount,
}

impl Delivered {
    /// A unary answer.
    pub(super) fn whole(answer: Answer) -> Self {
        let pieces = u32::from(answer.output_bytes() > 0);
        Self { answer, pieces: TokenCount(pieces) }
    }

    /// Commitment to it.
    pub(super) fn commitment(&self, salt: &Salt) -> Hash32 {
        response_commitment(salt, &self.answer)
    }

    /// What a complete answer costs.
    pub(super) fn completed(&self, bounds: Bounds, salt: &Salt) -> Metered {
        // An answer without usage is charged by its pieces, and nothing for the prompt.
        let usage = self.answer.usage.unwrap_or(Usage::new(TokenCount::ZERO, self.pieces));
        Metered {
            outcome: Outcome::Completed,
            response_commitment: self.commitment(salt),
            input_tokens: usage.prompt_tokens.min(bounds.input),
            output_tokens: usage
                .completion_tokens
                .min(bounds.output)
                .min(output_bound(&self.answer, bounds.choices)),
        }
    }

    /// What an answer that was cut off costs, by the node's own count when there is one.
    pub(super) fn interrupted(
        &self,
        outcome: Outcome,
        counted: Option<Counted>,
        bounds: Bounds,
        salt: &Salt,
    ) -> Metered {
        // Without the node's word nobody knows the prompt's length, and then it is not charged.
        let counted = counted.unwrap_or(Counted {
            input: TokenCount::ZERO,
            output: self.pieces,
            all_delivered: false,
        });
        let delivered = match counted.all_delivered {
            true => output_bound(&self.answer, bounds.choices),
            false => self.pieces,
        };
        Metered {
            outcome,
            response_commitment: self.commitment(salt),
            input_tokens: counted.input.min(bounds.input),
            output_tokens: counted.output.min(delivered).min(bounds.output),
        }
    }

    /// What an answer costs that did not pass here, by the node's own count: no more than its text can
    /// have taken, and never above the ticket.
    pub(super) fn reported(
        answer: &Answer,
        outcome: Outcome,
        counted: Counted,
        response_commitment: Hash32,
        bounds: Bounds,
    ) -> Metered {
        Metered {
            outcome,
            response_commitment,
            input_tokens: counted.input.min(bounds.input),
            output_tokens: counted
                .output
                .min(bounds.output)
                .min(output_bound(answer, bounds.choices)),
        }
    }

    /// Whether `longer` begins with everything that was delivered.
    pub(super) fn is_begun_by(&self, longer: &Answer) -> bool {
        self.answer.choices().iter().all(|mine| {
            longer.choices().iter().any(|theirs| {
                let (a, b) = (&mine.message, &theirs.message);
                theirs.index == mine.index
                    && b.content.starts_with(&a.content)
                    && b.reasoning_content.starts_with(&a.reasoning_content)
                    && b.refusal.starts_with(&a.refusal)
                    && b.tool_calls.len() >= a.tool_calls.len()
                    && a.tool_calls.iter().zip(&b.tool_calls).all(|(a, b)| {
                        b.function.name.starts_with(&a.function.name)
                            && b.function.arguments.starts_with(&a.function.arguments)
                    })
            })
        })
    }
}

/// A node's own count of an answer that was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    /// Prompt tokens.
    pub(super) input: TokenCount,
    /// Generated tokens.
    pub(super) output: TokenCount,
    /// Whether everything the node counted was delivered, so that its count needs no cutting to what
    /// was.
    pub(super) all_delivered: bool,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const SALT: Salt = Salt([7; 32]);
    const BOUNDS: Bounds = Bounds { input: TokenCount(100), output: TokenCount(50), choices: 1 };

    fn chunk(text: &str) -> Vec<u8> {
        format!(r#"{{"choices":[{{"index":0,"delta":{{"content":"{text}"}}}}]}}"#).into_bytes()
    }

    fn usage(prompt: u32, completion: u32) -> Vec<u8> {
        format!(
            r#"{{"choices":[],"usage":{{"prompt_tokens":{prompt},"completion_tokens":{completion}}}}}"#
        )
        .into_bytes()
    }

    fn delivered(chunks: &[Vec<u8>]) -> Delivered {
        let mut meter = Meter::default();
        for chunk in chunks {
            meter.push(chunk).unwrap();
        }
        meter.finish()
    }

    fn tokens(metered: &Metered) -> (u32, u32) {
        (metered.input_tokens.0, metered.output_tokens.0)
    }

    #[test]
    fn complete_answer_is_charged_by_its_usage() {
        let answer = delivered(&[chunk("one"), chunk(" two"), usage(12, 3)]);
        assert_eq!(tokens(&answer.completed(BOUNDS, &SALT)), (12, 3));
    }

    #[test]
    fn usage_above_the_text_is_cut_to_what_the_text_can_hold() {
        let answer = delivered(&[chunk("abcd"), usage(12, 40)]);
        assert_eq!(tokens(&answer.completed(BOUNDS, &SALT)), (12, 5));
    }

    #[test]
    fn choices_that_nobody_asked_for_leave_no_room_for_tokens() {
        let empty = |index: u32| {
            format!(r#"{{"choices":[{{"index":{index},"delta":{{}}}}]}}"#).into_bytes()
        };
        let chunks: Vec<_> = (0..40).map(empty).chain([usage(12, 40)]).collect();
        let answer = delivered(&chunks);
        assert_eq!(tokens(&answer.completed(BOUNDS, &SALT)), (12, 1));
        let two = Bounds { choices: 2, ..BOUNDS };
        assert_eq!(tokens(&answer.completed(two, &SALT)), (12, 2));
        let counted =
            Counted { input: TokenCount(12), output: TokenCount(40), all_delivered: true };
        let cut = answer.interrupted(Outcome::Cancelled, Some(counted), BOUNDS, &SALT);
        assert_eq!(tokens(&cut), (12, 1));
        let commitment = answer.commitment(&SALT);
        let reported =
            Delivered::reported(&answer.answer, Outcome::Completed, counted, commitment, BOUNDS);
        assert_eq!(tokens(&reported), (12, 1));
    }

    #[test]
    fn usage_above_the_ticket_is_cut_to_the_ticket() {
        let answer = delivered(&[chunk(&"a".repeat(200)), usage(1_000, 200)]);
        assert_eq!(tokens(&answer.completed(BOUNDS, &SALT)), (100, 50));
    }

    #[test]
    fn complete_answer_without_usage_is_charged_by_its_pieces() {
        let answer = delivered(&[chunk("one"), chunk(" two"), chunk("")]);
        assert_eq!(tokens(&answer.completed(BOUNDS, &SALT)), (0, 2));
    }

    #[test]
    fn interrupted_answer_is_charged_by_the_smaller_of_both_counts() {
        let answer = delivered(&[chunk("one"), chunk(" two")]);
        let metered = |counted: Option<(u32, u32, bool)>| {
            let counted = counted.map(|(input, output, all_delivered)| Counted {
                input: TokenCount(input),
                output: TokenCount(output),
                all_delivered,
            });
            tokens(&answer.interrupted(Outcome::Cancelled, counted, BOUNDS, &SALT))
        };
        assert_eq!(metered(None), (0, 2));
        assert_eq!(metered(Some((9, 1, false))), (9, 1));
        assert_eq!(metered(Some((900, 30, false))), (100, 2));
        assert_eq!(metered(Some((9, 4, true))), (9, 4));
        assert_eq!(metered(Some((9, 40, true))), (9, 8));
    }

    #[test]
    fn answer_that_goes_on_begins_with_what_was_delivered() {
        let part = delivered(&[chunk("one"), chunk(" two")]);
        let longer = delivered(&[chunk("one two three")]).answer;
        let other = delivered(&[chunk("one too")]).answer;
        assert!(part.is_begun_by(&longer));
        assert!(part.is_begun_by(&part.answer));
        assert!(!part.is_begun_by(&other));
        assert!(!part.is_begun_by(&Answer::default()));
        assert!(Delivered::default().is_begun_by(&other));
    }
}
