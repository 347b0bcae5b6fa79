//! A user's: escrow and allowances.

use anchor_lang::{AnchorDeserialize as _, InstructionData as _};
use pinaivu::instructions as ix;
use pinaivu::{accounts, instruction};
use pinaivu_protocol::seeds;
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use super::{SYSTEM, build, deposit_account, find};
use crate::harness::{Actor, INSTRUCTIONS_SYSVAR, Market, World};

impl World {
    pub(crate) fn escrow_open(
        &self,
        market: &Market,
        owner: &Pubkey,
        opening_slot: u64,
    ) -> (Pubkey, Instruction) {
        let slot = opening_slot.to_le_bytes();
        let escrow = find(&[seeds::ESCROW, market.address.as_ref(), owner.as_ref(), &slot]);
        let accounts = accounts::EscrowOpen {
            payer: self.payer.pubkey(),
            owner: *owner,
            market: market.address,
            escrow,
            system_program: SYSTEM,
        };
        let args = ix::EscrowOpenArgs { opening_slot };
        (escrow, build(accounts, instruction::EscrowOpen { args }))
    }

    pub(crate) fn escrow_deposit(
        &self,
        market: &Market,
        escrow: &Pubkey,
        depositor: &Actor,
        amount: u64,
    ) -> Instruction {
        let accounts = accounts::EscrowDeposit {
            depositor: depositor.address(),
            market: market.address,
            ledger: market.ledger,
            escrow: *escrow,
            escrow_vault: market.escrow_vault,
            mint: market.mint,
            source: depositor.tokens,
            token_program: market.token_program,
        };
        build(accounts, instruction::EscrowDeposit { args: ix::EscrowDepositArgs { amount } })
    }

    pub(crate) fn escrow_withdraw(
        &self,
        market: &Market,
        escrow: &Pubkey,
        owner: &Actor,
        amount: u64,
    ) -> Instruction {
        let accounts = accounts::EscrowWithdraw {
            owner: owner.address(),
            market: market.address,
            ledger: market.ledger,
            escrow: *escrow,
            escrow_vault: market.escrow_vault,
            mint: market.mint,
            destination: owner.tokens,
            token_program: market.token_program,
        };
        build(accounts, instruction::EscrowWithdraw { args: ix::EscrowWithdrawArgs { amount } })
    }

    pub(crate) fn escrow_close(&self, escrow: &Pubkey, owner: &Pubkey) -> Instruction {
        // One that is gone is closed again as if it were the usual market's.
        let stored: Option<pinaivu::state::Escrow> = self.stored(escrow);
        let market = stored.as_ref().map_or(self.market.address, |it| it.market);
        let rules: pinaivu::state::Market = self.read(&market);
        let accounts = accounts::EscrowClose {
            owner: *owner,
            market,
            escrow: *escrow,
            rent_payer: stored.map_or(self.payer.pubkey(), |it| it.rent_payer),
            deposit_account: deposit_account(escrow, &rules.mint, &rules.token_program),
            token_program: rules.token_program,
        };
        build(accounts, instruction::EscrowClose {})
    }

    #[expect(clippy::too_many_arguments, reason = "each is one field of the instruction")]
    pub(crate) fn allowance_open(
        &self,
        market: &Market,
        owner: &Pubkey,
        escrow: &Pubkey,
        coordinator: &Pubkey,
        opening_slot: u64,
        amount: u64,
        expiry_time: i64,
    ) -> (Pubkey, Instruction) {
        let slot = opening_slot.to_le_bytes();
        let seeds = [seeds::ALLOWANCE, escrow.as_ref(), coordinator.as_ref(), &slot];
        let allowance = find(&seeds);
        let accounts = accounts::AllowanceOpen {
            payer: self.payer.pubkey(),
            owner: *owner,
            market: market.address,
            escrow: *escrow,
            coordinator: *coordinator,
            allowance,
            system_program: SYSTEM,
        };
        let args =
            ix::AllowanceOpenArgs { opening_slot, amount, expiry_time, voucher_signer: None };
        (allowance, build(accounts, instruction::AllowanceOpen { args }))
    }

    /// Who is who in an allowance that is open.
    pub(crate) fn parties(&self, allowance: &Pubkey) -> Parties {
        let stored: pinaivu::state::Allowance = self.read(allowance);
        let pinaivu::state::Allowance { owner, escrow, coordinator, rent_payer, .. } = stored;
        Parties { owner, escrow, coordinator, allowance: *allowance, rent_payer }
    }

    pub(crate) fn allowance_raise(
        &self,
        market: &Market,
        allowance: &Pubkey,
        amount: u64,
        expiry_time: i64,
    ) -> Instruction {
        raise_between(market, self.parties(allowance), amount, expiry_time)
    }

    pub(crate) fn allowance_release(
        &self,
        allowance: &Pubkey,
        owner: &Pubkey,
        amount: u64,
        destination: Option<Pubkey>,
    ) -> Instruction {
        let accounts = accounts::AllowanceRelease { owner: *owner, allowance: *allowance };
        let args = ix::AllowanceReleaseArgs { amount, destination };
        build(accounts, instruction::AllowanceRelease { args })
    }

    pub(crate) fn allowance_exit(
        &self,
        market: &Market,
        allowance: &Pubkey,
        destination: Option<Pubkey>,
    ) -> Instruction {
        exit_between(market, self.parties(allowance), destination)
    }

    pub(crate) fn allowance_close(&self, allowance: &Pubkey) -> Instruction {
        close_between(self.parties(allowance))
    }

    /// An allowance whose debits need vouchers.
    pub(crate) fn allowance_open_with_vouchers(
        &self,
        open: &Instruction,
        voucher_signer: Option<Pubkey>,
    ) -> Instruction {
        let mut data = &open.data[8..];
        let mut args = ix::AllowanceOpenArgs::deserialize(&mut data).unwrap();
        args.voucher_signer = voucher_signer;
        let data = instruction::AllowanceOpen { args }.data();
        Instruction { data, ..open.clone() }
    }

    pub(crate) fn escrow_sweep(&self, market: &Market, escrow: &Pubkey) -> Instruction {
        let accounts = accounts::EscrowSweep {
            market: market.address,
            ledger: market.ledger,
            escrow: *escrow,
            deposit_account: deposit_account(escrow, &market.mint, &market.token_program),
            escrow_vault: market.escrow_vault,
            mint: market.mint,
            token_program: market.token_program,
        };
        build(accounts, instruction::EscrowSweep {})
    }

    pub(crate) fn escrow_recover(
        &self,
        market: &Market,
        owner: &Pubkey,
        opening_slot: u64,
        (mint, token_program): (Pubkey, Pubkey),
        source: &Pubkey,
        destination: &Pubkey,
    ) -> Instruction {
        let slot = opening_slot.to_le_bytes();
        let accounts = accounts::EscrowRecover {
            owner: *owner,
            market: market.address,
            escrow: find(&[seeds::ESCROW, market.address.as_ref(), owner.as_ref(), &slot]),
            source: *source,
            mint,
            destination: *destination,
            token_program,
        };
        let args = ix::EscrowRecoverArgs { opening_slot };
        build(accounts, instruction::EscrowRecover { args })
    }

    pub(crate) fn voucher_accept(&self, allowance: &Pubkey) -> Instruction {
        let accounts =
            accounts::VoucherAccept { allowance: *allowance, instructions: INSTRUCTIONS_SYSVAR };
        let args = ix::VoucherAcceptArgs { signature_instruction: 0 };
        build(accounts, instruction::VoucherAccept { args })
    }
}

/// Who is who in an allowance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parties {
    pub(crate) owner: Pubkey,
    pub(crate) escrow: Pubkey,
    pub(crate) coordinator: Pubkey,
    pub(crate) allowance: Pubkey,
    pub(crate) rent_payer: Pubkey,
}

/// `allowance_raise`, also of an allowance that is gone.
pub(crate) fn raise_between(
    market: &Market,
    parties: Parties,
    amount: u64,
    expiry_time: i64,
) -> Instruction {
    let Parties { owner, escrow, coordinator, allowance, .. } = parties;
    let market = market.address;
    let accounts = accounts::AllowanceRaise { owner, market, escrow, coordinator, allowance };
    let args = ix::AllowanceRaiseArgs { amount, expiry_time };
    build(accounts, instruction::AllowanceRaise { args })
}

/// `allowance_exit`, also of an allowance that is gone.
pub(crate) fn exit_between(
    market: &Market,
    parties: Parties,
    destination: Option<Pubkey>,
) -> Instruction {
    let accounts = accounts::AllowanceExit {
        market: market.address,
        ledger: market.ledger,
        escrow: parties.escrow,
        allowance: parties.allowance,
        escrow_vault: market.escrow_vault,
        mint: market.mint,
        destination,
        token_program: market.token_program,
    };
    build(accounts, instruction::AllowanceExit {})
}

/// `allowance_close`, also of an allowance that is gone.
pub(crate) fn close_between(parties: Parties) -> Instruction {
    let Parties { owner, escrow, allowance, rent_payer, .. } = parties;
    let accounts = accounts::AllowanceClose { owner, escrow, allowance, rent_payer };
    build(accounts, instruction::AllowanceClose {})
}
