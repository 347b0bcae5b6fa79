//! Vouchers: signing as one goes, inside what is reserved.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use pinaivu_chain::ed25519::{SignedBytes, verify};
use pinaivu_chain::{Chain, Commitment, Signer};
use pinaivu_protocol::signed::Signature;
use pinaivu_protocol::voucher::Voucher;

use super::Purse;
use crate::money::{Usdc, show};
use crate::network::{public, read_keypair};
use crate::output::Failure;

/// How much more may be debited.
#[derive(Debug, Args)]
pub(crate) struct VoucherArgs {
    /// How much more the coordinator may debit.
    amount: Usdc,
    /// Key file of the voucher signer [default: the wallet].
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

/// Signs a voucher and shows it to the chain.
pub(super) async fn run(purse: &Purse<'_>, arguments: &VoucherArgs) -> anyhow::Result<()> {
    let network = purse.network;
    let allowance = purse.allowance().await?.ok_or_else(|| {
        Failure::not_found("nothing is reserved for this coordinator", "`pinaivu escrow allow`")
    })?;
    let limit = allowance.vouchers.ok_or_else(|| {
        Failure::failed(
            format!("allowance {} needs no vouchers: all of it may be debited", allowance.id),
            "`pinaivu escrow allow AMOUNT --voucher-signer KEY` opens one that does",
        )
    })?;
    let pair = arguments.key.as_deref().map(read_keypair).transpose()?;
    let signer = pair.as_ref().unwrap_or(purse.wallet);
    if public(signer) != limit.signer {
        return Err(Failure::failed(
            format!("the voucher signer of allowance {} is {}", allowance.id, limit.signer),
            "give its key file with --key",
        )
        .into());
    }
    let cumulative = limit
        .limit
        .checked_add(arguments.amount.0)
        .context("the limit would be more than any amount")?;
    let reserved = allowance.reserved.saturating_sub(allowance.released);
    if cumulative > reserved {
        return Err(Failure::failed(
            format!(
                "{} are reserved, the vouchers would allow {}",
                show(reserved),
                show(cumulative)
            ),
            "`pinaivu escrow allow` more first",
        )
        .into());
    }
    let voucher = Voucher { allowance: allowance.id, cumulative, expiry: 0 };
    let message = voucher.signing_bytes().to_vec();
    let signature = Signature(<[u8; 64]>::from(signer.sign_message(&message)));
    let proof = SignedBytes { signer: limit.signer, signature, message };
    let check = verify(&[proof]).context("a voucher fits every transaction")?;
    let accept = network.instructions.voucher_accept(&allowance.id, 0);
    let what = format!("letting {} be spent in all", show(cumulative));
    network.send(purse.printer, &what, &[check, accept], &[purse.wallet]).await?;
    let seen = network.chain.allowance(allowance.id, Commitment::Confirmed).await?;
    let accepted = seen.and_then(|seen| seen.vouchers).is_some_and(|it| it.limit >= cumulative);
    accepted.then_some(()).context("the chain does not show the voucher")
}
