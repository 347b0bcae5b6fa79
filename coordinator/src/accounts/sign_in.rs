//! Sign-In With Solana: the text by which a wallet opens a session.
//!
//! The format is Phantom's (<https://github.com/phantom/sign-in-with-solana>, after EIP-4361), in the one
//! way that this coordinator takes it. Wallets that know it show it as a sign-in and warn when the page
//! that asks is not of the domain that the text names.

use std::net::IpAddr;

use axum::http::Uri;
use axum::http::uri::Authority;
use chrono::{DateTime, SecondsFormat};
use pinaivu_protocol::units::UnixMillis;

use super::signed_text::{Lines, Statement, TextError};

/// What follows the domain on the first line.
pub const SIGN_IN_WORDS: &str = " wants you to sign in with your Solana account:";
/// The sentence that people read.
pub const SIGN_IN_SENTENCE: &str = "Sign in to see your usage. This moves no money.";

/// What the text of a sign-in says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// Host and port of the page that asked, as in its address.
    pub domain: String,
    /// Whose session, with whom, and when signed.
    pub statement: Statement,
    /// When the text, not the session, is over.
    pub expires: UnixMillis,
}

/// The domains whose pages may open sessions here. A text that names another was signed for somebody else,
/// who may have shown the wallet's owner something quite different.
#[derive(Clone, Debug, Default)]
pub struct Domains {
    named: Vec<String>,
    /// Whether only this very machine is served: then its other ports are the same people's.
    local: bool,
}

impl Domains {
    /// That of `base_url`, and `more`. Where the base URL is a loopback address, every loopback address and
    /// `localhost` with any port, as of a server that pages are developed with.
    #[must_use]
    pub fn new(base_url: &str, more: &[String]) -> Self {
        let (mut named, mut local) = (more.to_vec(), false);
        if let Some(authority) =
            base_url.parse::<Uri>().ok().and_then(|url| url.into_parts().authority)
        {
            local = is_local(authority.host());
            named.push(authority.to_string());
        }
        Self { named, local }
    }

    /// Whether pages of `domain` may.
    #[must_use]
    pub fn allow(&self, domain: &str) -> bool {
        let here = || {
            let authority = domain.parse::<Authority>();
            authority.is_ok_and(|place| !domain.contains('@') && is_local(place.host()))
        };
        self.named.iter().any(|known| known == domain) || self.local && here()
    }
}

fn is_local(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Reads a sign-in.
///
/// # Errors
/// [`TextError`] with the first line that is not what it has to be.
pub fn read_sign_in(text: &str) -> Result<SignIn, TextError> {
    let mut lines = Lines::new(text);
    let expected = "a domain and ' wants you to sign in with your Solana account:'";
    let domain = lines.next(expected)?.strip_suffix(SIGN_IN_WORDS);
    let domain = domain.ok_or_else(|| lines.fault(expected))?.to_owned();
    let owner = lines.field("", "the wallet's key")?;
    lines.exactly("", "empty")?;
    lines.exactly(SIGN_IN_SENTENCE, "'Sign in to see your usage. This moves no money.'")?;
    lines.exactly("", "empty")?;
    let uri = lines.text("URI: ", "'URI: ' and the page's origin")?;
    if uri.strip_prefix("https://").or_else(|| uri.strip_prefix("http://")) != Some(&domain) {
        return Err(lines.fault("'URI: ', a scheme and the domain of the first line"));
    }
    lines.exactly("Version: 1", "'Version: 1'")?;
    let nonce = lines.bytes("Nonce: ", "'Nonce: ' and 32 hexadecimal digits")?;
    let issued =
        time(&mut lines, "Issued At: ", "'Issued At: ' and a time like 2026-01-31T12:00:00.000Z")?;
    let expires = time(
        &mut lines,
        "Expiration Time: ",
        "'Expiration Time: ' and a time like 2026-01-31T12:00:00.000Z",
    )?;
    lines.exactly("Resources:", "'Resources:'")?;
    let deployment = lines
        .deployment("- pinaivu:deployment:", "'- pinaivu:deployment:' and 64 hexadecimal digits")?;
    let coordinator =
        lines.field("- pinaivu:coordinator:", "'- pinaivu:coordinator:' and its address")?;
    lines.end()?;
    let statement = Statement { deployment, coordinator, owner, issued, nonce };
    Ok(SignIn { domain, statement, expires })
}

/// A time in the one way it is written: RFC 3339, UTC, milliseconds; what `Date.toISOString` gives.
fn time(
    lines: &mut Lines<'_>,
    name: &str,
    expected: &'static str,
) -> Result<UnixMillis, TextError> {
    let text = lines.text(name, expected)?;
    DateTime::parse_from_rfc3339(text)
        .ok()
        .map(|time| time.to_utc())
        .filter(|time| time.to_rfc3339_opts(SecondsFormat::Millis, true) == text)
        .and_then(|time| u64::try_from(time.timestamp_millis()).ok())
        .map(UnixMillis)
        .ok_or_else(|| lines.fault(expected))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use pinaivu_protocol::hash::Hash32;
    use pinaivu_protocol::ids::{CoordinatorId, DeploymentId, PublicKey};

    use super::*;

    fn text() -> String {
        format!(
            "pinaivu.example:8443 wants you to sign in with your Solana account:\n{owner}\n\n\
             Sign in to see your usage. This moves no money.\n\n\
             URI: https://pinaivu.example:8443\nVersion: 1\n\
             Nonce: 000102030405060708090a0b0c0d0e0f\n\
             Issued At: 2026-11-23T14:30:00.017Z\nExpiration Time: 2026-11-23T14:35:00.000Z\n\
             Resources:\n- pinaivu:deployment:{deployment}\n- pinaivu:coordinator:{coordinator}",
            owner = PublicKey([3; 32]),
            deployment = "ab".repeat(32),
            coordinator = CoordinatorId([2; 32]),
        )
    }

    #[test]
    fn sign_in_says_who_where_and_until_when() {
        let read = read_sign_in(&text()).unwrap();
        assert_eq!(read.domain, "pinaivu.example:8443");
        assert_eq!(read.expires, UnixMillis(1_795_444_500_000));
        assert_eq!(
            read.statement,
            Statement {
                deployment: DeploymentId(Hash32([0xab; 32])),
                coordinator: CoordinatorId([2; 32]),
                owner: PublicKey([3; 32]),
                issued: UnixMillis(1_795_444_200_017),
                nonce: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
            }
        );
    }

    #[test]
    fn loopback_is_one_place_whatever_the_port() {
        let local = Domains::new("http://127.0.0.1:8080/v1", &["app.example".to_owned()]);
        for domain in ["127.0.0.1:8080", "localhost:5173", "localhost", "[::1]:80", "app.example"] {
            assert!(local.allow(domain), "{domain}");
        }
        for domain in
            ["localhost.example", "app.example:8080", "10.0.0.1", "a@localhost", "127.0.0.1/x", ""]
        {
            assert!(!local.allow(domain), "{domain}");
        }
        let public = Domains::new("https://api.example/v1", &[]);
        assert!(public.allow("api.example") && !public.allow("localhost"));
    }

    #[test]
    fn anything_else_is_refused_with_its_line() {
        for (from, to, line) in [
            (" wants you to sign in", " would like you to sign in", 1),
            ("This moves no money.", "This moves all your money.", 4),
            ("URI: https://pinaivu.example:8443", "URI: https://evil.example", 6),
            ("URI: https://pinaivu.example:8443", "URI: https://pinaivu.example:8443/", 6),
            ("URI: https://pinaivu.example:8443", "URI: ftp://pinaivu.example:8443", 6),
            ("Version: 1", "Version: 2", 7),
            ("Nonce: 00", "Nonce: ", 8),
            ("30:00.017Z", "30:00.17Z", 9),
            ("14:30:00.017Z", "15:30:00.017+01:00", 9),
            ("2026-11-23T14:35", "2026-02-30T14:35", 10),
            ("2026-11-23T14:35", "1926-11-23T14:35", 10),
            ("Resources:\n", "", 11),
            ("deployment:ab", "deployment:AB", 12),
        ] {
            let text = text().replacen(from, to, 1);
            let error = read_sign_in(&text).unwrap_err();
            assert!(
                matches!(error, TextError::Line { line: at, .. } if at == line),
                "{to}: {error}"
            );
        }
        let more = format!("{}\n- https://evil.example", text());
        assert_eq!(read_sign_in(&more), Err(TextError::Rest { line: 14 }));
    }
}
