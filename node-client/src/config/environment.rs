//! The environment variables of this process, all of them.

use super::{Config, ConfigError, Secret};

/// One variable and what it does.
#[derive(Clone, Copy, Debug)]
pub struct EnvironmentVariable {
    /// Its name.
    pub name: &'static str,
    /// What it sets, for `--help` and the operator guide.
    pub meaning: &'static str,
    apply: Option<fn(&mut Config, String)>,
}

/// Every variable that is read. All but the last overlay the configuration file.
pub const ENVIRONMENT: [EnvironmentVariable; 7] = [
    EnvironmentVariable {
        name: "PINAIVU_NODE_KEY_FILE",
        meaning: "key_file: the hot key",
        apply: Some(|config, value| config.key_file = value.into()),
    },
    EnvironmentVariable {
        name: "PINAIVU_NODE_DATA_DIR",
        meaning: "data_dir: where the proof journal lives",
        apply: Some(|config, value| config.data_dir = value.into()),
    },
    EnvironmentVariable {
        name: "PINAIVU_NODE_RPC_URL",
        meaning: "chain.rpc_url: Solana JSON-RPC",
        apply: Some(|config, value| config.chain.rpc_url = value),
    },
    EnvironmentVariable {
        name: "PINAIVU_NODE_BACKEND_URL",
        meaning: "backend.url: the inference server",
        apply: Some(|config, value| config.backend.url = value),
    },
    EnvironmentVariable {
        name: "PINAIVU_NODE_BACKEND_API_KEY",
        meaning: "backend.api_key: bearer token for the inference server",
        apply: Some(|config, value| config.backend.api_key = Some(Secret::from(value))),
    },
    EnvironmentVariable {
        name: "PINAIVU_NODE_FEE_PAYER",
        meaning: "claims.fee_payer: key file of whoever pays for claims",
        apply: Some(|config, value| config.claims.fee_payer = Some(value.into())),
    },
    EnvironmentVariable {
        name: "PINAIVU_LOG",
        meaning: "what to log, for example info or pinaivu_node_client=debug",
        apply: None,
    },
];

pub(super) fn overlay(
    config: &mut Config,
    read: impl Fn(&'static str) -> Result<Option<String>, ConfigError>,
) -> Result<(), ConfigError> {
    for variable in ENVIRONMENT {
        if let Some(apply) = variable.apply
            && let Some(value) = read(variable.name)?
        {
            apply(config, value);
        }
    }
    Ok(())
}

/// The one place that reads the environment.
pub(super) fn read(name: &'static str) -> Result<Option<String>, ConfigError> {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    let value = std::env::var(name);
    match value {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(ConfigError::Environment(name)),
    }
}

/// What to log, when the operator said so.
///
/// # Errors
/// [`ConfigError::Environment`].
pub fn log_filter() -> Result<Option<String>, ConfigError> {
    read("PINAIVU_LOG")
}
