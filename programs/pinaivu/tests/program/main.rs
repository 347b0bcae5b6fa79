//! The program as it is deployed: every test runs the committed `.so` in LiteSVM, and after every
//! transaction an oracle adds up all accounts and vaults.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::result_large_err,
    reason = "tests stop at the first surprise"
)]

mod closing;
mod costs;
mod harness;
mod hostile;
mod instructions;
mod layout;
mod model;
mod reference;
mod sealevel;
mod settings;
mod upgrade;
mod versions;
