//! `pinaivu attest`: is this coordinator the code that it says on chain?
//!
//! The question carries a fresh nonce. What the coordinator answers is compared with its account and the
//! market's list of measurements, read from the chain, and with the certificate that its tunnel shows;
//! the vendor's signatures are checked at this machine's time.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use pinaivu_attestation::{
    Evidence, Expected, Kind, Nonce, Policy, VerifyError, configuration_hash, nitro, tdx, verify,
};
use pinaivu_chain::{Chain as _, Commitment, Coordinator};
use pinaivu_node_client::key::HotKey;
use pinaivu_node_client::tunnel::{Endpoint, client_config, seen_tls_key};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::units::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::checks::{Check, Checks, Verdict};
use crate::context::ContextArgs;
use crate::network::{Network, chain_failure, get_json};
use crate::output::{Failure, Printer};

/// Whom to ask.
#[derive(Debug, Args)]
pub(crate) struct AttestArgs {
    /// The coordinator, as --url.
    #[arg(value_name = "URL")]
    coordinator: Option<String>,
    /// Its tunnel, host:port, whose certificate is looked at; what its account says unless given.
    #[arg(long, value_name = "HOST:PORT")]
    tunnel: Option<String>,
    /// Do not look at the tunnel: that its certificate is the one vouched for is then not checked.
    #[arg(long, conflicts_with = "tunnel")]
    no_tunnel: bool,
}

/// Whether and where to look at the tunnel's certificate.
#[derive(Clone, Copy, Debug)]
enum Tunnel<'a> {
    /// Here.
    At(&'a str),
    /// Where the account says.
    OfAccount,
    /// Nowhere.
    Unlooked,
}

/// Which code to compute the measurement of.
#[derive(Debug, Subcommand)]
pub(crate) enum MeasureCommand {
    /// Of an enclave image, from what `nitro-cli build-enclave` or `describe-eif` printed.
    Nitro {
        /// The JSON, with `Measurements` in it.
        file: PathBuf,
    },
    /// Of a trust domain, from a quote that it gave.
    Tdx {
        /// The quote, as the kernel's `outblob` has it.
        file: PathBuf,
    },
}

/// What `nitro-cli` prints, as far as it matters.
#[derive(Deserialize)]
struct NitroImage {
    #[serde(rename = "Measurements")]
    measurements: NitroMeasurements,
}

#[derive(Deserialize)]
struct NitroMeasurements {
    #[serde(rename = "PCR0")]
    pcr0: String,
    #[serde(rename = "PCR1")]
    pcr1: String,
    #[serde(rename = "PCR2")]
    pcr2: String,
}

/// Computes a measurement as the market's list has it. Verifies nothing.
pub(crate) fn measure(printer: &Printer, command: &MeasureCommand) -> anyhow::Result<()> {
    let (MeasureCommand::Nitro { file } | MeasureCommand::Tdx { file }) = command;
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let measurement = match command {
        MeasureCommand::Nitro { .. } => {
            let image: NitroImage = serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is not nitro-cli's output", file.display()))?;
            let pcr = |text: &str| -> anyhow::Result<Vec<u8>> {
                let bytes = hex::decode(text).context("a PCR is not hexadecimal")?;
                if bytes.len() != PCR_BYTES {
                    bail!("a PCR has {} bytes instead of {PCR_BYTES}", bytes.len());
                }
                Ok(bytes)
            };
            let NitroMeasurements { pcr0, pcr1, pcr2 } = image.measurements;
            nitro::measurement(&pcr(&pcr0)?, &pcr(&pcr1)?, &pcr(&pcr2)?)
        }
        MeasureCommand::Tdx { .. } => tdx::registers(&bytes)?.measurement(),
    };
    printer.result(&json!({ "measurement": measurement.to_string() }), measurement);
    Ok(())
}

/// SHA-384.
const PCR_BYTES: usize = 48;

/// What was found.
#[derive(Debug, Serialize)]
struct Report {
    coordinator: String,
    attested: bool,
    kind: Option<Kind>,
    measurement: Option<String>,
    configuration: Value,
    checks: Vec<Check>,
}

/// Asks and checks.
pub(crate) async fn run(
    printer: &Printer,
    context: &ContextArgs,
    arguments: AttestArgs,
) -> anyhow::Result<()> {
    let mut context = context.clone();
    if arguments.coordinator.is_some() {
        context.url.clone_from(&arguments.coordinator);
    }
    let network = Network::open(&context).await?;
    let tunnel = match (&arguments.tunnel, arguments.no_tunnel) {
        (Some(endpoint), _) => Tunnel::At(endpoint),
        (None, false) => Tunnel::OfAccount,
        (None, true) => Tunnel::Unlooked,
    };
    let report = look(&network, tunnel).await?;
    printer.result(&report, text(&report));
    if report.attested {
        Ok(())
    } else {
        Err(Failure::check("the coordinator is not attested").into())
    }
}

/// Before money is entrusted: where the market lists the code that coordinators may run, this one has to
/// show that it runs it, as nodes want to see it.
pub(crate) async fn require(printer: Printer, network: &Network) -> anyhow::Result<()> {
    let listed = network.chain.measurements(network.info.market, Commitment::Confirmed).await;
    if listed.map_err(chain_failure)?.is_empty() {
        return Ok(());
    }
    let report = look(network, Tunnel::OfAccount).await?;
    if report.attested {
        printer.step(format_args!("coordinator {} is attested", report.coordinator));
        return Ok(());
    }
    let failed = report.checks.iter().find(|check| check.verdict == Verdict::Failed);
    let why =
        failed.map_or_else(String::new, |check| format!(": {} ({})", check.detail, check.name));
    Err(Failure::check_with(
        format!(
            "the market lists the code that coordinators may run, and {} does not show that it runs \
             it{why}",
            report.coordinator
        ),
        "`pinaivu attest` shows every check; --unattested reserves all the same",
    )
    .into())
}

/// Asks and checks.
async fn look(network: &Network, tunnel: Tunnel<'_>) -> anyhow::Result<Report> {
    let account = network.coordinator().await?;
    let deployment = network.chain.deployment().await.map_err(chain_failure)?.id();
    let listed = network.chain.measurements(account.market, Commitment::Confirmed).await;
    let listed: Vec<Hash32> =
        listed.map_err(chain_failure)?.into_iter().map(|entry| entry.measurement).collect();

    let nonce = Nonce::random();
    let url = format!("{}/v1/attestation?nonce={nonce}", network.url);
    let answer: Value = get_json(&network.http, &url).await?;
    let mut checks = Checks::default();
    let tls_key = look_at_tunnel(&mut checks, tunnel, &account).await?;
    let expected = Expected {
        deployment,
        coordinator: account.id,
        signer: account.signer,
        tls_key,
        configuration: None,
        nonce: Some(nonce),
    };
    let configuration = answer.get("configuration").cloned().unwrap_or(Value::Null);
    let (kind, measurement) = match answer.get("evidence").filter(|evidence| !evidence.is_null()) {
        None => {
            checks.add("evidence", false, "", "unattested: the coordinator has no evidence");
            (None, None)
        }
        Some(evidence) => {
            let now = UnixMillis(u64::try_from(crate::witness::now_millis()?).unwrap_or(u64::MAX));
            let policy = Policy::strict(now, &listed);
            check(&mut checks, evidence, &configuration, &expected, account.measurement, &policy)
        }
    };
    Ok(Report {
        coordinator: account.id.to_string(),
        attested: checks.hold(),
        kind,
        measurement: measurement.map(|hash| hash.to_string()),
        configuration,
        checks: checks.into_list(),
    })
}

/// Which key the tunnel's certificate holds. Who could keep us from looking could as well stand in front of
/// it: where it cannot be seen, nothing is attested.
async fn look_at_tunnel(
    checks: &mut Checks,
    tunnel: Tunnel<'_>,
    account: &Coordinator,
) -> anyhow::Result<Option<Hash32>> {
    const NAME: &str = "tunnel certificate";
    let endpoint = match tunnel {
        Tunnel::At(endpoint) => endpoint,
        Tunnel::OfAccount => account.endpoint.as_str(),
        Tunnel::Unlooked => {
            checks.skip(NAME, "not looked at (--no-tunnel)");
            return Ok(None);
        }
    };
    let tls = Arc::new(client_config(&HotKey::throwaway()?)?);
    let seen = match endpoint.parse::<Endpoint>() {
        Ok(endpoint) => seen_tls_key(&endpoint, &tls).await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match seen {
        Ok(key) => Ok(Some(key)),
        Err(error) => {
            checks.add(
                NAME,
                false,
                "",
                format!("{error}; --tunnel says where it is, --no-tunnel leaves it out"),
            );
            Ok(None)
        }
    }
}

/// Checks evidence against what the account names and the market lists; gives what vouches, and for which code when that much is certain.
fn check(
    checks: &mut Checks,
    evidence: &Value,
    configuration: &Value,
    expected: &Expected,
    named: Hash32,
    policy: &Policy<'_>,
) -> (Option<Kind>, Option<Hash32>) {
    let evidence = match Evidence::decode(evidence.to_string().as_bytes()) {
        Ok(evidence) => evidence,
        Err(error) => {
            checks.add("evidence", false, "", error.to_string());
            return (None, None);
        }
    };
    let seen = match expected.tls_key {
        Some(_) => {
            "is about this account, its key on chain, its tunnel's certificate and our nonce"
        }
        None => "is about this account, its key on chain and our nonce",
    };
    checks.result("evidence", evidence.check_claims(expected), seen);
    checks.add(
        "configuration",
        configuration_hash(configuration).ok() == Some(evidence.binding.configuration),
        "the one that is shown is the one that is bound",
        "another one is bound than is shown",
    );
    let (vendor, measurement) = match verify(&evidence, expected, policy) {
        Ok(attested) => (Ok(()), Some(attested.measurement)),
        // The vendor vouches; for which code is judged below.
        Err(VerifyError::Measurement(measurement)) => (Ok(()), Some(measurement)),
        Err(error) => (Err(error), None),
    };
    checks.result("attestation", vendor, &format!("{} vouches for it now", evidence.kind));
    if let Some(measurement) = measurement {
        checks.add(
            "code on chain",
            measurement == named,
            format!("the account names {measurement}"),
            format!("the account names {named}, it runs {measurement}"),
        );
        checks.add(
            "code on the list",
            policy.measurements.contains(&measurement),
            "the market's list has it",
            "the market's list does not have it",
        );
    }
    (Some(evidence.kind), measurement)
}

fn text(report: &Report) -> String {
    let mut text = format!("coordinator {}", report.coordinator);
    for check in &report.checks {
        text.push_str(&format!("\n  {check}"));
    }
    text.push_str(if report.attested { "\nattested" } else { "\nUNATTESTED" });
    text
}

#[cfg(test)]
mod tests;
