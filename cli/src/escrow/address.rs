//! The deposit address: where a plain token transfer funds the escrow.

use pinaivu_chain::{Chain, Commitment};
use pinaivu_protocol::units::Amount;

use super::Purse;
use crate::money::show;
use crate::network::public;
use crate::output::Failure;

/// Says where to send tokens; opens the escrow and its token account where they are missing.
pub(super) async fn print(purse: &Purse<'_>) -> anyhow::Result<()> {
    let owner = public(purse.wallet);
    let network = purse.network;
    let build = &network.instructions;
    let (escrow, mut instructions) = purse.escrow_or_opening().await?;
    let address = build.deposit_account(&escrow);
    let account = network.chain.token_account(address, Commitment::Confirmed).await?;
    if account.is_none() {
        instructions.push(build.create_deposit_account(&owner, &escrow));
    }
    if !instructions.is_empty() {
        let what = "opening the deposit address";
        network.send(purse.printer, what, &instructions, &[purse.wallet]).await?;
    }
    let waiting = account.map_or(Amount::ZERO, |account| account.amount);
    let value = serde_json::json!({
        "escrow": escrow,
        "deposit_address": address.to_string(),
        "mint": network.market.mint.to_string(),
        "waiting": waiting,
    });
    let text = format!(
        "{address}\n{} wait there; `pinaivu escrow sweep` credits them\nonly the token {} counts, \
         anything else has to be recovered",
        show(waiting),
        network.market.mint
    );
    purse.printer.result(&value, text);
    Ok(())
}

/// Credits what lies there.
pub(super) async fn sweep(purse: &Purse<'_>) -> anyhow::Result<()> {
    let network = purse.network;
    let escrow = purse.escrow().await?.ok_or_else(|| {
        Failure::not_found("the wallet has no escrow", "`pinaivu escrow address` opens one")
    })?;
    let address = network.instructions.deposit_account(&escrow.id);
    let waiting = network.chain.token_balance(address, Commitment::Confirmed).await?;
    if waiting == Amount::ZERO {
        return Err(Failure::failed(
            format!("nothing lies at the deposit address {address}"),
            "transfers are seen once they are confirmed; try again in a few seconds",
        )
        .into());
    }
    let what = format!("crediting {}", show(waiting));
    let sweep = network.instructions.escrow_sweep(&escrow.id);
    network.send(purse.printer, &what, &[sweep], &[purse.wallet]).await?;
    Ok(())
}
