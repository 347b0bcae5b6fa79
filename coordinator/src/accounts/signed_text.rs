//! Commands that a wallet signs as text people can read.
//!
//! The text is exact: these lines in this order, one way to write each value, so that what a wallet
//! shows is all there is. It begins with a name and a line feed, which no other signed record does: tags
//! end in a zero byte.

use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{AllowanceId, CoordinatorId, DeploymentId, PublicKey};
use pinaivu_protocol::units::{Amount, UnixMillis};

use crate::store::{ApiKeyId, KeyLimits};

/// First line of a key command.
pub const KEY_TEXT: &str = "pinaivu/key-command-text/v1";

const CREATE: &str = "Create an API key.";
const LIST: &str = "List my API keys.";
const REVOKE: &str = "Revoke an API key.";
const CHANGE: &str = "Change an API key.";

/// The text is not one of these commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// A line is missing or not what it has to be.
    #[error("line {line} is not {expected}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// What it has to be.
        expected: &'static str,
    },
    /// There is more than the command.
    #[error("line {line} is one too many")]
    Rest {
        /// The first one too many, from 1.
        line: usize,
    },
}

/// What every signed command says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Cluster and program.
    pub deployment: DeploymentId,
    /// For which coordinator.
    pub coordinator: CoordinatorId,
    /// Who signs.
    pub owner: PublicKey,
    /// When.
    pub issued: UnixMillis,
    /// Taken once.
    pub nonce: [u8; 16],
}

/// What a wallet wants done with its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyRequest {
    /// Make one.
    Create {
        /// What it spends from.
        allowance: AllowanceId,
        /// The owner's words.
        label: String,
        /// What it may do.
        limits: KeyLimits,
    },
    /// Show all.
    List,
    /// End one.
    Revoke(ApiKeyId),
    /// Give one another label and other limits, all of them.
    Change {
        /// Which.
        key: ApiKeyId,
        /// The new label.
        label: String,
        /// The new limits.
        limits: KeyLimits,
    },
}

/// Whether `signature` is `owner`'s over these very bytes.
#[must_use]
pub fn verifies(owner: &PublicKey, text: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, owner.0).verify(text, signature).is_ok()
}

/// Reads a key command.
///
/// # Errors
/// [`TextError`].
pub fn read_key_command(text: &str) -> Result<(Statement, KeyRequest), TextError> {
    let mut lines = Lines::new(text);
    lines.exactly(KEY_TEXT, "pinaivu/key-command-text/v1")?;
    let sentence = lines.next("a sentence that says what to do")?;
    if ![CREATE, LIST, REVOKE, CHANGE].contains(&sentence) {
        return Err(lines.fault("a sentence that says what to do"));
    }
    let statement = lines.statement()?;
    let request = match sentence {
        CREATE => KeyRequest::Create {
            allowance: lines.field("allowance: ", "'allowance: ' and its address")?,
            label: lines.label()?,
            limits: lines.limits()?,
        },
        REVOKE => KeyRequest::Revoke(lines.key()?),
        CHANGE => {
            KeyRequest::Change { key: lines.key()?, label: lines.label()?, limits: lines.limits()? }
        }
        _ => KeyRequest::List,
    };
    lines.end()?;
    Ok((statement, request))
}

/// A text's lines, each read once and as it has to be.
pub(super) struct Lines<'a> {
    rest: std::iter::Peekable<std::str::Split<'a, char>>,
    line: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text.split('\n').peekable(), line: 0 }
    }

    /// About the line that was read last.
    pub(super) const fn fault(&self, expected: &'static str) -> TextError {
        TextError::Line { line: self.line, expected }
    }

    pub(super) fn next(&mut self, expected: &'static str) -> Result<&'a str, TextError> {
        self.line = self.line.saturating_add(1);
        self.rest.next().ok_or_else(|| self.fault(expected))
    }

    pub(super) fn exactly(&mut self, words: &str, expected: &'static str) -> Result<(), TextError> {
        if self.next(expected)? == words { Ok(()) } else { Err(self.fault(expected)) }
    }

    pub(super) fn text(
        &mut self,
        name: &str,
        expected: &'static str,
    ) -> Result<&'a str, TextError> {
        self.next(expected)?.strip_prefix(name).ok_or_else(|| self.fault(expected))
    }

    /// A value in the one way it is written.
    pub(super) fn field<T: FromStr + ToString>(
        &mut self,
        name: &str,
        expected: &'static str,
    ) -> Result<T, TextError> {
        let text = self.text(name, expected)?;
        canonical(text).ok_or_else(|| self.fault(expected))
    }

    /// A number, or `none`.
    fn optional(&mut self, name: &str, expected: &'static str) -> Result<Option<u64>, TextError> {
        let text = self.text(name, expected)?;
        if text == "none" {
            return Ok(None);
        }
        canonical(text).map(Some).ok_or_else(|| self.fault(expected))
    }

    pub(super) fn bytes<const N: usize>(
        &mut self,
        name: &str,
        expected: &'static str,
    ) -> Result<[u8; N], TextError> {
        let text = self.text(name, expected)?;
        let mut bytes = [0; N];
        let read = hex::decode_to_slice(text, &mut bytes);
        if read.is_ok() && hex::encode(bytes) == text {
            Ok(bytes)
        } else {
            Err(self.fault(expected))
        }
    }

    pub(super) fn deployment(
        &mut self,
        name: &str,
        expected: &'static str,
    ) -> Result<DeploymentId, TextError> {
        self.bytes(name, expected).map(|bytes| DeploymentId(Hash32(bytes)))
    }

    fn statement(&mut self) -> Result<Statement, TextError> {
        Ok(Statement {
            deployment: self
                .deployment("deployment: ", "'deployment: ' and 64 hexadecimal digits")?,
            coordinator: self.field("coordinator: ", "'coordinator: ' and its address")?,
            owner: self.field("owner: ", "'owner: ' and the wallet's key")?,
            issued: UnixMillis(self.field("issued: ", "'issued: ' and milliseconds since 1970")?),
            nonce: self.bytes("nonce: ", "'nonce: ' and 32 hexadecimal digits")?,
        })
    }

    fn key(&mut self) -> Result<ApiKeyId, TextError> {
        self.bytes("key: ", "'key: ' and 32 hexadecimal digits").map(ApiKeyId)
    }

    fn label(&mut self) -> Result<String, TextError> {
        let expected = "'label: ' and a JSON string";
        let text = self.text("label: ", expected)?;
        serde_json::from_str(text).map_err(|_| self.fault(expected))
    }

    fn limits(&mut self) -> Result<KeyLimits, TextError> {
        let budget = self.optional("budget: ", "'budget: ' and millionths of a USDC or none")?;
        let expires =
            self.optional("expires: ", "'expires: ' and milliseconds since 1970 or none")?;
        // The lines below may be left out, as by wallets that know nothing of them.
        let models = self.has("models: ").then(|| self.models()).transpose()?.flatten();
        let requests = self.per_minute("requests-per-minute: ")?;
        let tokens = self.per_minute("tokens-per-minute: ")?;
        Ok(KeyLimits {
            budget: budget.map(Amount),
            expires: expires.map(UnixMillis),
            models,
            requests_per_minute: requests,
            tokens_per_minute: tokens,
        })
    }

    fn has(&mut self, name: &str) -> bool {
        self.rest.peek().is_some_and(|line| line.starts_with(name))
    }

    fn models(&mut self) -> Result<Option<Vec<String>>, TextError> {
        let expected = "'models: ' and a JSON array of names or none";
        let text = self.text("models: ", expected)?;
        if text == "none" {
            return Ok(None);
        }
        serde_json::from_str(text).map(Some).map_err(|_| self.fault(expected))
    }

    fn per_minute(&mut self, name: &str) -> Result<Option<u32>, TextError> {
        let expected = "a number from 1 to 4294967295, or none";
        if !self.has(name) {
            return Ok(None);
        }
        let Some(number) = self.optional(name, expected)? else { return Ok(None) };
        match u32::try_from(number) {
            Ok(number) if number > 0 => Ok(Some(number)),
            _ => Err(self.fault(expected)),
        }
    }

    pub(super) fn end(mut self) -> Result<(), TextError> {
        self.line = self.line.saturating_add(1);
        match self.rest.next() {
            None => Ok(()),
            Some(_) => Err(TextError::Rest { line: self.line }),
        }
    }
}

/// A value written as it would be written.
fn canonical<T: FromStr + ToString>(text: &str) -> Option<T> {
    text.parse::<T>().ok().filter(|value| value.to_string() == text)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn head(sentence: &str) -> String {
        format!(
            "pinaivu/key-command-text/v1\n{sentence}\ndeployment: {}\ncoordinator: {}\nowner: {}\n\
             issued: 17\nnonce: 000102030405060708090a0b0c0d0e0f",
            "ab".repeat(32),
            CoordinatorId([2; 32]),
            PublicKey([3; 32]),
        )
    }

    fn create(rest: &str) -> Result<KeyLimits, TextError> {
        let text = format!(
            "{}\nallowance: {}\nlabel: \"my \\\"laptop\\\"\"\n{rest}",
            head("Create an API key."),
            AllowanceId([4; 32]),
        );
        match read_key_command(&text)?.1 {
            KeyRequest::Create { allowance, label, limits } => {
                assert_eq!((allowance, &*label), (AllowanceId([4; 32]), "my \"laptop\""));
                Ok(limits)
            }
            _ => unreachable!("it says create"),
        }
    }

    #[test]
    fn commands_say_what_they_say() {
        let (statement, request) = read_key_command(&head("List my API keys.")).unwrap();
        assert_eq!(request, KeyRequest::List);
        assert_eq!((statement.issued, statement.nonce[15]), (UnixMillis(17), 15));
        assert_eq!(statement.owner, PublicKey([3; 32]));
        let text = format!("{}\nkey: {}", head("Revoke an API key."), "0f".repeat(16));
        assert_eq!(read_key_command(&text).unwrap().1, KeyRequest::Revoke(ApiKeyId([15; 16])));
        assert_eq!(create("budget: none\nexpires: none").unwrap(), KeyLimits::default());
        let all = "budget: 5000000\nexpires: 99\nmodels: [\"a\",\"b\"]\nrequests-per-minute: 7\n\
                   tokens-per-minute: none";
        assert_eq!(
            create(all).unwrap(),
            KeyLimits {
                budget: Some(Amount(5_000_000)),
                expires: Some(UnixMillis(99)),
                models: Some(vec!["a".into(), "b".into()]),
                requests_per_minute: Some(7),
                tokens_per_minute: None,
            }
        );
    }

    #[test]
    fn anything_else_is_refused_with_its_line() {
        for (rest, line) in [
            ("budget: 05\nexpires: none", 10),
            ("budget: -1\nexpires: none", 10),
            ("expires: none\nbudget: none", 10),
            ("budget: none", 11),
            ("budget: none\nexpires: none\nrequests-per-minute: 0", 12),
            ("budget: none\nexpires: none\nmodels: a", 12),
        ] {
            let error = create(rest).unwrap_err();
            assert!(
                matches!(error, TextError::Line { line: at, .. } if at == line),
                "{rest}: {error}"
            );
        }
        for rest in ["budget: none\nexpires: none\n", "budget: none\nexpires: none\nmore: 1"] {
            assert_eq!(create(rest), Err(TextError::Rest { line: 12 }));
        }
        let shouted = head("List my API keys.").replace("abab", "ABAB");
        assert!(matches!(read_key_command(&shouted), Err(TextError::Line { line: 3, .. })));
        assert!(matches!(
            read_key_command(&head("Give me money.")),
            Err(TextError::Line { line: 2, .. })
        ));
    }
}
