#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use pinaivu_protocol::units::{Amount, TokenPrice};

use super::{Config, ConfigError, MoneyError, environment, parse_usdc};

const MINIMAL: &str = r#"
node = "11111111111111111111111111111112"
[chain]
rpc_url = "http://127.0.0.1:8899"
program = "11111111111111111111111111111113"
[[coordinators]]
id = "11111111111111111111111111111114"
[backend]
url = "http://127.0.0.1:8080"
[pricing]
usdc_per_million_tokens = "0.25"
"#;

fn parse(text: &str) -> Result<Config, ConfigError> {
    let config = Config::parse(text, Path::new("node.toml"))?;
    config.validate()?;
    Ok(config)
}

#[test]
fn minimal_file_has_documented_defaults() {
    let config = parse(MINIMAL).unwrap();
    assert_eq!(config.pricing.usdc_per_million_tokens, TokenPrice(250_000));
    assert_eq!(config.serving.max_unpaid_usdc, Amount(100_000_000));
    assert_eq!(config.serving.max_concurrent, 256);
    assert!(config.claims.enabled);
    assert!(config.models.is_empty());
}

#[test]
fn unknown_field_is_refused() {
    let error = parse(&format!("{MINIMAL}\nusdc_per_milion_tokens = \"1\"\n")).unwrap_err();
    assert!(matches!(error, ConfigError::Parse { .. }));
}

#[test]
fn price_as_a_float_is_refused() {
    let error = parse(&MINIMAL.replace("\"0.25\"", "0.25")).unwrap_err();
    assert!(matches!(error, ConfigError::Parse { .. }));
}

#[test]
fn coordinator_listed_twice_is_refused() {
    let twice = format!("{MINIMAL}[[coordinators]]\nid = \"11111111111111111111111111111114\"\n");
    let error = parse(&twice).unwrap_err();
    assert!(matches!(error, ConfigError::Value { field: "coordinators.id", .. }));
}

#[test]
fn backend_url_without_scheme_is_refused() {
    let error = parse(&MINIMAL.replace("http://127.0.0.1:8080", "127.0.0.1:8080")).unwrap_err();
    assert!(matches!(error, ConfigError::Value { field: "backend.url", .. }));
}

#[test]
fn certificate_without_its_key_is_refused_rather_than_left_aside() {
    for half in ["tls_cert_file", "tls_key_file"] {
        let public = format!("{MINIMAL}[public]\nlisten = \"127.0.0.1:0\"\n{half} = \"x.pem\"\n");
        let error = parse(&public).unwrap_err();
        assert!(matches!(error, ConfigError::Value { field: "public.tls_cert_file", .. }));
    }
}

#[test]
fn environment_overrides_the_file_and_hides_the_api_key() {
    let mut config = parse(MINIMAL).unwrap();
    environment::overlay(&mut config, |name| {
        Ok(match name {
            "PINAIVU_NODE_BACKEND_URL" => Some("http://10.0.0.2:1".to_owned()),
            "PINAIVU_NODE_BACKEND_API_KEY" => Some("hush".to_owned()),
            _ => None,
        })
    })
    .unwrap();
    assert_eq!(config.backend.url, "http://10.0.0.2:1");
    assert_eq!(config.backend.api_key.as_ref().unwrap().expose(), "hush");
    assert!(!format!("{config:?}").contains("hush"));
}

#[test]
fn usdc_text_is_exact_to_six_decimals() {
    for (text, units) in [("0", 0), ("12", 12_000_000), ("0.25", 250_000), ("1.000001", 1_000_001)]
    {
        assert_eq!(parse_usdc(text), Ok(Amount(units)), "{text}");
    }
    for text in ["", ".", "1.", ".5", "-1", "+1", "1e3", "0.0000001", "1,5", "99999999999999999999"]
    {
        assert_eq!(parse_usdc(text), Err(MoneyError), "{text}");
    }
}
