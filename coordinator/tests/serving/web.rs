//! The web application's files, and who may read what from another origin.

use std::path::Path;

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};

use crate::support::world::PRICE;
use crate::support::{Client, World};

const PAGE: &str = "<!doctype html><title>Pinaivu</title>";

async fn world() -> (World, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("dist");
    std::fs::create_dir_all(root.join("assets")).unwrap();
    std::fs::write(root.join("index.html"), PAGE).unwrap();
    std::fs::write(root.join("assets/app-1a2b.js"), "plain").unwrap();
    std::fs::write(root.join("assets/app-1a2b.js.br"), "packed by brotli").unwrap();
    std::fs::write(root.join("assets/app-1a2b.js.gz"), "packed by gzip").unwrap();
    std::fs::write(directory.path().join("secret.txt"), "secret").unwrap();
    link(&directory.path().join("secret.txt"), &root.join("link.txt"));
    let world = World::start_with(|config| config.web.dir = Some(root)).await;
    (world, directory)
}

fn link(from: &Path, to: &Path) {
    std::os::unix::fs::symlink(from, to).unwrap();
}

async fn get(
    world: &World,
    path: &str,
    headers: &[(&str, &str)],
) -> (StatusCode, HeaderMap, String) {
    let base = world.client.base_url.trim_end_matches("/v1");
    // One that shows what was sent instead of unpacking it.
    let http = reqwest::Client::builder().no_proxy().no_gzip().no_brotli().build().unwrap();
    let mut request = http.get(format!("{base}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    (response.status(), response.headers().clone(), response.text().await.unwrap())
}

#[tokio::test]
async fn page_and_files_are_served_with_what_the_browser_must_know() {
    let (world, _directory) = world().await;
    let (status, headers, body) = get(&world, "/", &[("accept", "text/html,*/*")]).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, PAGE));
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(headers["cache-control"], "no-cache");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["referrer-policy"], "no-referrer");
    assert_eq!(headers["cross-origin-opener-policy"], "same-origin-allow-popups");
    assert_eq!(
        headers["content-security-policy"],
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' \
         data: blob:; font-src 'self'; connect-src 'self' https: wss: http://127.0.0.1:* \
         http://localhost:* ws://127.0.0.1:* ws://localhost:*; manifest-src 'self'; worker-src \
         'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let tag = headers["etag"].to_str().unwrap();
    let (status, _, body) = get(&world, "/index.html", &[("if-none-match", tag)]).await;
    assert_eq!((status, body.as_str()), (StatusCode::NOT_MODIFIED, ""));
    // A page of the application's own router.
    let (status, _, body) = get(&world, "/receipts/req_1", &[("accept", "text/html")]).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, PAGE));
}

#[tokio::test]
async fn packed_file_is_sent_to_who_takes_it_and_kept_for_ever() {
    let (world, _directory) = world().await;
    for (accepted, encoding, content) in [
        ("gzip, br", Some("br"), "packed by brotli"),
        ("gzip", Some("gzip"), "packed by gzip"),
        ("br;q=0", None, "plain"),
    ] {
        let (_, headers, body) =
            get(&world, "/assets/app-1a2b.js", &[("accept-encoding", accepted)]).await;
        assert_eq!(body, content);
        assert_eq!(headers.get("content-encoding").map(|value| value.to_str().unwrap()), encoding);
        assert_eq!(headers["content-type"], "text/javascript; charset=utf-8");
        assert_eq!(headers["cache-control"], "public, max-age=31536000, immutable");
    }
}

#[tokio::test]
async fn nothing_outside_the_directory_and_nothing_below_v1_is_a_file() {
    let (world, _directory) = world().await;
    for path in [
        "/%2e%2e/secret.txt",
        "/assets/%2e%2e/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/link.txt",
        "/missing.js",
        "/assets",
    ] {
        let (status, _, body) = get(&world, path, &[("accept", "*/*")]).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert!(body.contains("\"not_found\""), "{path}: {body}");
    }
    let (status, _, body) = get(&world, "/v1/missing", &[("accept", "text/html")]).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{body}");
    let base = world.client.base_url.trim_end_matches("/v1");
    let posted = world.client.http.post(format!("{base}/index.html")).send().await.unwrap();
    assert_eq!(posted.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn directory_without_a_page_is_refused_at_start() {
    let directory = tempfile::tempdir().unwrap();
    let error = pinaivu_coordinator::http::Web::open(directory.path()).unwrap_err();
    assert!(error.to_string().starts_with("cannot serve the web application from"), "{error}");
}

#[tokio::test]
async fn other_origins_read_views_and_pay_by_key_and_nothing_else() {
    let world = World::start().await;
    let _node = world.node(1, PRICE).await;
    let origin = [("origin", "https://elsewhere.example")];
    for path in ["/v1/network", "/v1/models", "/v1/nodes", "/v1/figures", "/v1/receipts"] {
        let (status, headers, _) = get(&world, path, &origin).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert_eq!(headers["access-control-allow-origin"], "*", "{path}");
        assert_eq!(headers["cache-control"], "no-store", "{path}");
        let millis: u64 = headers["openai-processing-ms"].to_str().unwrap().parse().unwrap();
        assert!(millis < 60_000, "{path}");
    }
    for path in ["/v1/account", "/v1/keys", "/v1/blobs/x", "/v1/receiptsx"] {
        let (_, headers, _) = get(&world, path, &origin).await;
        assert!(headers.get("access-control-allow-origin").is_none(), "{path}");
    }
    let preflight = async |path: &str| {
        let url = world.client.url(path);
        let request = world.client.http.request(Method::OPTIONS, url);
        let request = request.header("access-control-request-method", "POST");
        request.header("origin", "https://elsewhere.example").send().await.unwrap()
    };
    let granted = preflight("/chat/completions").await;
    assert_eq!(granted.status(), StatusCode::NO_CONTENT);
    assert_eq!(granted.headers()["access-control-allow-methods"], "POST");
    assert_eq!(granted.headers()["access-control-max-age"], "86400");
    let allowed = granted.headers()["access-control-allow-headers"].to_str().unwrap();
    assert_eq!(
        allowed,
        "authorization, content-type, user-agent, x-pinaivu-max-price, x-pinaivu-sort, \
         x-pinaivu-only, x-pinaivu-ignore, x-pinaivu-hedge-after-ms, x-pinaivu-direct, \
         openai-organization, openai-project, openai-beta, x-stainless-arch, x-stainless-async, \
         x-stainless-custom-poll-interval, x-stainless-helper-method, x-stainless-lang, \
         x-stainless-os, x-stainless-package-version, x-stainless-poll-helper, \
         x-stainless-retry-count, x-stainless-runtime, x-stainless-runtime-version, \
         x-stainless-timeout"
    );
    assert!(granted.headers()["x-request-id"].to_str().unwrap().starts_with("req_"));
    assert!(preflight("/keys").await.headers().get("access-control-allow-origin").is_none());
    let url = world.client.url("/chat/completions");
    let paid = world.client.http.post(url).bearer_auth(world.client.key.as_ref().unwrap());
    let paid = paid.header("origin", "https://elsewhere.example");
    let paid = paid.json(&Client::request(false)).send().await.unwrap();
    assert_eq!(paid.status(), StatusCode::OK);
    assert_eq!(paid.headers()["access-control-allow-origin"], "*");
    let exposed = paid.headers()["access-control-expose-headers"].to_str().unwrap();
    assert!(exposed.contains("x-request-id") && exposed.contains("x-pinaivu-salt"));
    let plain = world.client.chat(&Client::request(false)).await;
    assert!(plain.headers().get("access-control-allow-origin").is_none());
}

#[tokio::test]
async fn page_of_another_origin_can_read_that_its_address_asked_too_often() {
    let world = World::start_with(|config| config.limits.address_requests_per_minute = 1).await;
    let url = world.client.url("/models");
    let asked = async || {
        let request = world.client.http.get(&url).header("origin", "https://elsewhere.example");
        request.send().await.unwrap()
    };
    while asked().await.status() == StatusCode::OK {}
    let limited = asked().await;
    assert_eq!(limited.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(limited.headers()["access-control-allow-origin"], "*");
    assert!(limited.headers().contains_key("x-request-id"));
    assert_eq!(limited.headers()["cache-control"], "no-store");
}
