//! The example file, overrides and what is refused.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

#[test]
fn example_file_parses_and_passes_its_check() {
    let config = Config::parse(EXAMPLE).unwrap();
    config.check().unwrap();
}

#[test]
fn example_file_shows_the_defaults() {
    let shown = toml::Value::try_from(Config::parse(EXAMPLE).unwrap()).unwrap();
    let required: String = EXAMPLE.split("# Everything below").next().unwrap().into();
    let mut defaults = Config::parse(&required).unwrap();
    defaults.models.named = Config::parse(EXAMPLE).unwrap().models.named;
    assert_eq!(toml::Value::try_from(defaults).unwrap(), shown);
}

#[test]
fn unknown_key_is_an_error_that_names_it() {
    let text = EXAMPLE.replace("[http]", "[http]\nlisten_adress = \"x\"");
    let error = Config::parse(&text).unwrap_err();
    assert!(error.message().contains("unknown field `listen_adress`"), "{error}");
}

#[test]
fn environment_overrides_each_documented_key() {
    let mut config = Config::parse(EXAMPLE).unwrap();
    config
        .apply_environment(|name| {
            Some(match name {
                "PINAIVU_HTTP_LISTEN" => "127.0.0.1:1".into(),
                "PINAIVU_TUNNEL_LISTEN" => "127.0.0.1:2".into(),
                other => other.into(),
            })
        })
        .unwrap();
    assert_eq!(config.http.listen.port(), 1);
    assert_eq!(config.tunnel.listen.port(), 2);
    assert_eq!(config.chain.rpc_url, "PINAIVU_RPC_URL");
    assert_eq!(config.signer_key_file, Path::new("PINAIVU_SIGNER_KEY_FILE"));
    assert_eq!(config.data_dir, Path::new("PINAIVU_DATA_DIR"));
}

#[test]
fn address_variable_that_is_no_address_is_an_error() {
    let mut config = Config::parse(EXAMPLE).unwrap();
    let error = config
        .apply_environment(|name| (name == "PINAIVU_HTTP_LISTEN").then(|| "here".into()))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "environment variable PINAIVU_HTTP_LISTEN: \"here\" is not ADDRESS:PORT"
    );
}

#[test]
fn certificate_without_its_key_is_refused() {
    let mut config = Config::parse(EXAMPLE).unwrap();
    config.http.tls_cert_file = Some("chain.pem".into());
    let error = config.check().unwrap_err().to_string();
    assert!(error.starts_with("http.tls_cert_file: "), "{error}");
}

#[test]
fn weight_of_zero_is_refused() {
    let mut config = Config::parse(EXAMPLE).unwrap();
    config.models.default.output_weight = 0;
    let error = config.check().unwrap_err();
    assert_eq!(error.to_string(), "models: a weight of 0 would make tokens free");
}

#[test]
fn development_evidence_needs_a_local_chain() {
    let mut config = Config::parse(EXAMPLE).unwrap();
    config.attestation.attester = AttesterChoice::Development;
    let error = config.check().unwrap_err();
    assert!(matches!(error, ConfigError::Invalid { key: "attestation.attester", .. }), "{error}");
    config.web.local = true;
    config.check().unwrap();
}

#[test]
fn durations_parse_by_unit_and_nothing_else() {
    for (text, expected) in [
        ("250ms", Some(Duration::from_millis(250))),
        ("10s", Some(Duration::from_secs(10))),
        ("5m", Some(Duration::from_secs(300))),
        ("10", None),
        ("s", None),
        ("-1s", None),
        ("1h", None),
    ] {
        assert_eq!(parse_duration(text), expected, "{text}");
    }
}
