//! The web application's files, as the build left them in one directory.
//!
//! Nothing outside that directory is ever sent: a path is taken apart before it touches the disk, and
//! what it leads to, links followed, must still lie inside. Files whose names carry a hash of their
//! content may be kept for ever; everything else is asked for again with an `etag`. The router of the
//! application runs in the browser, so a page that is no file is `index.html`.

use std::io;
use std::path::{Path, PathBuf};

use axum::body::Body;
use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_NONE_MATCH,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, Method, Response, StatusCode};
use pinaivu_protocol::hash::sha256;

/// What the browser lets a page do. Styles in attributes are what charts and formulas are drawn with;
/// scripts are files of our own only. A person may choose any RPC server, so connections go anywhere
/// encrypted and to this machine.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data: blob:; font-src 'self'; connect-src 'self' https: wss: \
     http://127.0.0.1:* http://localhost:* ws://127.0.0.1:* ws://localhost:*; \
     manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'",
);

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// The page that the application begins with.
const INDEX: &str = "index.html";

/// Below this, names carry a hash of the content.
const HASHED: &str = "assets/";

/// Encodings the build leaves beside a file, the better one first.
const ENCODINGS: [(&str, &str); 2] = [("br", "br"), ("gzip", "gz")];

/// The application's directory.
#[derive(Clone, Debug)]
pub struct Web {
    root: PathBuf,
}

/// The directory cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve the web application from {path}")]
pub struct WebError {
    /// As configured.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

/// A file as it is about to be sent.
struct Found {
    content: Vec<u8>,
    encoding: Option<&'static str>,
}

impl Web {
    /// Serves `directory`, which must exist and hold an `index.html`.
    ///
    /// # Errors
    /// [`WebError`].
    pub fn open(directory: &Path) -> Result<Self, WebError> {
        let fail = |source| WebError { path: directory.to_owned(), source };
        let root = directory.canonicalize().map_err(fail)?;
        std::fs::metadata(root.join(INDEX)).map_err(fail)?;
        Ok(Self { root })
    }

    /// The file at a path, or the first page for a browser that navigates; nothing when neither is
    /// asked for.
    pub(super) async fn serve(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Option<Response<Body>> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return None;
        }
        let name = relative(path)?;
        let asked = if name.is_empty() { INDEX } else { name.as_str() };
        let (name, found) = match self.find(asked, headers).await {
            Some(found) => (asked, found),
            None if navigates(headers) => (INDEX, self.find(INDEX, headers).await?),
            None => return None,
        };
        Some(respond(method, name, found, headers))
    }

    /// A file below the directory, in the best encoding the client takes.
    async fn find(&self, name: &str, headers: &HeaderMap) -> Option<Found> {
        let plain = self.root.join(name);
        for (encoding, suffix) in ENCODINGS {
            if accepts(headers, encoding) {
                let packed = PathBuf::from(format!("{}.{suffix}", plain.display()));
                if let Some(content) = self.read(&packed).await {
                    return Some(Found { content, encoding: Some(encoding) });
                }
            }
        }
        Some(Found { content: self.read(&plain).await?, encoding: None })
    }

    async fn read(&self, path: &Path) -> Option<Vec<u8>> {
        let (root, path) = (self.root.clone(), path.to_owned());
        let read = move || -> io::Result<Option<Vec<u8>>> {
            let path = path.canonicalize()?;
            if !path.starts_with(&root) || !path.is_file() {
                return Ok(None);
            }
            std::fs::read(path).map(Some)
        };
        tokio::task::spawn_blocking(read).await.ok()?.ok()?
    }
}

/// A path as names below the directory; nothing for one that tries to be anything else.
fn relative(path: &str) -> Option<String> {
    let decoded = decode(path.strip_prefix('/')?)?;
    let plain = |segment: &str| {
        !segment.is_empty()
            && !segment.starts_with('.')
            && !segment.contains(['\\', ':'])
            && !segment.chars().any(char::is_control)
    };
    (decoded.is_empty() || decoded.split('/').all(plain)).then_some(decoded)
}

/// Percent-decoded once, as UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%' {
            let (digits, after) = after.split_at_checked(2)?;
            let mut byte = [0];
            hex::decode_to_slice(digits, &mut byte).ok()?;
            bytes.extend_from_slice(&byte);
            rest = after;
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

/// Whether a browser wants a page rather than a file.
fn navigates(headers: &HeaderMap) -> bool {
    list(headers, ACCEPT).any(|item| item.split(';').next() == Some("text/html"))
}

fn accepts(headers: &HeaderMap, encoding: &str) -> bool {
    list(headers, ACCEPT_ENCODING).any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(encoding));
        // `q=0`, `q=0.0` and so on refuse it.
        named && !parts.any(|part| part.strip_prefix("q=").is_some_and(is_zero))
    })
}

fn is_zero(weight: &str) -> bool {
    !weight.is_empty() && weight.bytes().all(|byte| matches!(byte, b'0' | b'.'))
}

/// The items of a header that is a list.
fn list(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter();
    values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim)
}

fn respond(method: &Method, name: &str, found: Found, headers: &HeaderMap) -> Response<Body> {
    let hashed = name.starts_with(HASHED);
    let digest = sha256(&[&found.content]).to_string();
    let tag = format!("\"{}\"", digest.get(..32).unwrap_or_default());
    let fresh = list(headers, IF_NONE_MATCH)
        .any(|known| known == "*" || known.trim_start_matches("W/") == tag);
    let length = found.content.len();
    let body = match (fresh, method) {
        (false, &Method::GET) => Body::from(Bytes::from(found.content)),
        _ => Body::empty(),
    };
    let mut response = Response::new(body);
    let out = response.headers_mut();
    out.insert(CONTENT_SECURITY_POLICY, POLICY);
    out.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    out.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    out.insert(OPENER_POLICY, HeaderValue::from_static("same-origin-allow-popups"));
    out.insert(VARY, HeaderValue::from_static("accept-encoding, accept"));
    out.insert(
        CACHE_CONTROL,
        HeaderValue::from_static(match hashed {
            true => "public, max-age=31536000, immutable",
            false => "no-cache",
        }),
    );
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        out.insert(ETAG, tag);
    }
    if fresh {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    out.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(name)));
    out.insert(CONTENT_LENGTH, length.into());
    if let Some(encoding) = found.encoding {
        out.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_that_leads_anywhere_else_is_none() {
        for path in [
            "/../secret",
            "/a/../../secret",
            "/%2e%2e/secret",
            "/a/%2E%2E/b",
            "/..%2fsecret",
            "/%2e%2e%2fsecret",
            "/a//b",
            "//etc/passwd",
            "/.git/config",
            "/a\\b",
            "/c:/x",
            "/a%00b",
            "/%zz",
            "/%f",
            "relative",
            "/a/",
            "/%ff",
        ] {
            assert_eq!(relative(path), None, "{path}");
        }
    }

    #[test]
    fn path_of_plain_names_is_decoded_once() {
        for (path, name) in
            [("/", ""), ("/a/b.js", "a/b.js"), ("/a%20b", "a b"), ("/%252e%252e", "%2e%2e")]
        {
            assert_eq!(relative(path).as_deref(), Some(name), "{path}");
        }
    }

    #[test]
    fn encoding_counts_only_when_it_is_named_and_not_refused() {
        for (value, accepted) in [
            ("gzip, br", true),
            ("br;q=0.5", true),
            ("br;q=0", false),
            ("br; q=0.0", false),
            ("brotli", false),
            ("*", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(value));
            assert_eq!(accepts(&headers, "br"), accepted, "{value}");
        }
    }
}
