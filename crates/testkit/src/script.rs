//! What a scripted server is told to do.

use std::time::Duration;

/// Whose protocol a scripted server speaks where they differ: probing, model list, end of stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flavour {
    /// llama.cpp's `llama-server`: `/props`, `/slots`; the finish reason comes in an empty delta.
    #[default]
    LlamaCpp,
    /// vLLM: `/version`; the finish reason comes with the last text.
    Vllm,
    /// Only `/v1/models` and `/v1/chat/completions`, otherwise like OpenAI.
    Plain,
}

/// What the server does with one chat completion.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// Answers.
    Answer(Answer),
    /// Answers with this status and body.
    Refuse {
        /// HTTP status.
        status: u16,
        /// JSON or not.
        body: String,
    },
    /// Closes the connection before the first byte, as a process that was stopped.
    Close,
    /// Resets the connection before the first byte, as a machine that went away.
    Reset,
    /// Never answers.
    Hang,
    /// Answers 200 with bytes that are not JSON.
    Garbage(Vec<u8>),
}

impl Behaviour {
    /// Answers at once with some text.
    #[must_use]
    pub fn answer() -> Self {
        Self::Answer(Answer::default())
    }
}

impl From<Answer> for Behaviour {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}

/// An answer, piece by piece. Each piece counts as one token.
///
/// Like a real server it stops at the request's `max_tokens` (finish reason `length`), and with
/// `continue_final_message` it goes on where the last assistant message ends, if that is a beginning
/// of this text.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The text, one chunk each when streamed.
    pub pieces: Vec<String>,
    /// How long until the response's head.
    pub head_delay: Duration,
    /// How long before each piece.
    pub piece_delay: Duration,
    /// Prompt tokens to report.
    pub prompt_tokens: u32,
    /// What usage says.
    pub usage: ReportedUsage,
    /// How it ends.
    pub ending: Ending,
}

impl Default for Answer {
    fn default() -> Self {
        Self::text("The capital of France is Paris.")
    }
}

impl Answer {
    /// This text, cut before each space, at once.
    #[must_use]
    pub fn text(text: &str) -> Self {
        let mut pieces: Vec<String> = Vec::new();
        for (at, word) in text.split(' ').enumerate() {
            pieces.push(if at == 0 { word.to_owned() } else { format!(" {word}") });
        }
        Self {
            pieces,
            head_delay: Duration::ZERO,
            piece_delay: Duration::ZERO,
            prompt_tokens: 12,
            usage: ReportedUsage::Right,
            ending: Ending::Complete,
        }
    }

    /// `count` pieces, at once.
    #[must_use]
    pub fn of_pieces(count: usize) -> Self {
        let pieces = (0..count).map(|at| format!(" token{at}")).collect();
        Self { pieces, ..Self::text("") }
    }

    /// The same with a pause before each piece.
    #[must_use]
    pub const fn every(mut self, delay: Duration) -> Self {
        self.piece_delay = delay;
        self
    }

    /// The same with a pause before the response's head.
    #[must_use]
    pub const fn after(mut self, delay: Duration) -> Self {
        self.head_delay = delay;
        self
    }

    /// The same with another end.
    #[must_use]
    pub const fn ending(mut self, ending: Ending) -> Self {
        self.ending = ending;
        self
    }

    /// The same with another usage.
    #[must_use]
    pub const fn reporting(mut self, usage: ReportedUsage) -> Self {
        self.usage = usage;
        self
    }

    /// The whole text.
    #[must_use]
    pub fn full_text(&self) -> String {
        self.pieces.concat()
    }
}

/// What an answer's usage says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportedUsage {
    /// One token for each piece and one for the end, as both servers count.
    Right,
    /// These numbers.
    Wrong {
        /// Prompt tokens.
        prompt: u32,
        /// Generated tokens.
        completion: u32,
    },
    /// No usage, though it was asked for.
    Missing,
}

/// How an answer ends. A number counts the pieces sent before; a unary answer that does not complete
/// sends part of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As it should.
    Complete,
    /// The connection closes.
    CloseAfter(usize),
    /// The connection is reset.
    ResetAfter(usize),
    /// Nothing more comes; the connection stays.
    HangAfter(usize),
    /// An event that is not JSON comes, then the stream ends.
    MalformedAfter(usize),
    /// An error event comes, then the stream ends.
    ErrorAfter(usize),
    /// All pieces come, and the stream ends without `[DONE]`.
    WithoutDone,
}
