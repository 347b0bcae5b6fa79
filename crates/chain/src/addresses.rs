//! Where every account lives: program-derived addresses from the seeds in `pinaivu_protocol::seeds`,
//! and associated token accounts.
//!
//! Pure computation, no network. A derived address says nothing about whether the account exists.

use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{
    AllowanceId, ClusterId, CoordinatorId, EscrowId, MarketId, NodeId, ProgramId, PublicKey,
};
use pinaivu_protocol::seeds;
use pinaivu_protocol::units::Slot;
use solana_pubkey::Pubkey;

/// Anything that is an address on chain.
pub trait ToAddress {
    /// The same 32 bytes as Solana's own type.
    fn to_address(&self) -> Pubkey;
}

macro_rules! to_address {
    ($($id:ty),+) => {
        $(impl ToAddress for $id {
            fn to_address(&self) -> Pubkey {
                Pubkey::new_from_array(self.0)
            }
        })+
    };
}

to_address!(MarketId, CoordinatorId, NodeId, EscrowId, AllowanceId, PublicKey, ProgramId);

/// The protocol's type for a wallet or signer key.
#[must_use]
pub fn public_key(address: &Pubkey) -> PublicKey {
    PublicKey(address.to_bytes())
}

/// Derives the addresses of one deployed program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    program: Pubkey,
}

impl Addresses {
    /// For the program at `program`.
    #[must_use]
    pub fn new(program: ProgramId) -> Self {
        Self { program: program.to_address() }
    }

    /// The program's own address.
    #[must_use]
    pub const fn program(&self) -> Pubkey {
        self.program
    }

    /// `"market"`, mint, genesis hash.
    #[must_use]
    pub fn market(&self, mint: &Pubkey, cluster: &ClusterId) -> MarketId {
        MarketId(self.find(&[seeds::MARKET, mint.as_ref(), &cluster.0]))
    }

    /// `"ledger"`, market.
    #[must_use]
    pub fn ledger(&self, market: &MarketId) -> Pubkey {
        Pubkey::new_from_array(self.find(&[seeds::LEDGER, &market.0]))
    }

    /// The token account that holds every user's escrow and every unpaid credit.
    #[must_use]
    pub fn escrow_vault(&self, market: &MarketId) -> Pubkey {
        Pubkey::new_from_array(self.find(&[seeds::ESCROW_VAULT, &market.0]))
    }

    /// The token account that holds every node's stake.
    #[must_use]
    pub fn stake_vault(&self, market: &MarketId) -> Pubkey {
        Pubkey::new_from_array(self.find(&[seeds::STAKE_VAULT, &market.0]))
    }

    /// The token account that holds every coordinator's bonds.
    #[must_use]
    pub fn bond_vault(&self, market: &MarketId) -> Pubkey {
        Pubkey::new_from_array(self.find(&[seeds::BOND_VAULT, &market.0]))
    }

    /// `"escrow"`, market, owner, opening slot.
    #[must_use]
    pub fn escrow(&self, market: &MarketId, owner: &PublicKey, opening: Slot) -> EscrowId {
        EscrowId(self.find(&[seeds::ESCROW, &market.0, &owner.0, &opening.0.to_le_bytes()]))
    }

    /// `"allowance"`, escrow, coordinator, opening slot.
    #[must_use]
    pub fn allowance(
        &self,
        escrow: &EscrowId,
        coordinator: &CoordinatorId,
        opening: Slot,
    ) -> AllowanceId {
        AllowanceId(self.find(&[
            seeds::ALLOWANCE,
            &escrow.0,
            &coordinator.0,
            &opening.0.to_le_bytes(),
        ]))
    }

    /// `"node"`, market, operator, opening slot.
    #[must_use]
    pub fn node(&self, market: &MarketId, operator: &PublicKey, opening: Slot) -> NodeId {
        NodeId(self.find(&[seeds::NODE, &market.0, &operator.0, &opening.0.to_le_bytes()]))
    }

    /// `"coordinator"`, market, authority, opening slot.
    #[must_use]
    pub fn coordinator(
        &self,
        market: &MarketId,
        authority: &PublicKey,
        opening: Slot,
    ) -> CoordinatorId {
        CoordinatorId(self.find(&[
            seeds::COORDINATOR,
            &market.0,
            &authority.0,
            &opening.0.to_le_bytes(),
        ]))
    }

    /// `"payout"`, coordinator, node.
    #[must_use]
    pub fn payout(&self, coordinator: &CoordinatorId, node: &NodeId) -> Pubkey {
        Pubkey::new_from_array(self.find(&[seeds::PAYOUT, &coordinator.0, &node.0]))
    }

    /// `"epoch"`, coordinator, epoch.
    #[must_use]
    pub fn epoch_head(&self, coordinator: &CoordinatorId, epoch: u32) -> Pubkey {
        Pubkey::new_from_array(self.find(&[seeds::EPOCH, &coordinator.0, &epoch.to_le_bytes()]))
    }

    /// `"retired_signer"`, coordinator or node, key.
    #[must_use]
    pub fn retired_signer(&self, account: &impl ToAddress, signer: &PublicKey) -> Pubkey {
        let account = account.to_address();
        Pubkey::new_from_array(self.find(&[seeds::RETIRED_SIGNER, account.as_ref(), &signer.0]))
    }

    /// `"evidence"`, owner, number.
    #[must_use]
    pub fn evidence(&self, owner: &PublicKey, number: u64) -> Pubkey {
        Pubkey::new_from_array(self.find(&[seeds::EVIDENCE, &owner.0, &number.to_le_bytes()]))
    }

    /// `"receipt"`, coordinator, epoch, index.
    #[must_use]
    pub fn receipt_record(&self, coordinator: &CoordinatorId, epoch: u32, index: u64) -> Pubkey {
        Pubkey::new_from_array(self.find(&[
            seeds::RECEIPT,
            &coordinator.0,
            &epoch.to_le_bytes(),
            &index.to_le_bytes(),
        ]))
    }

    /// `"proposal"`, market, number.
    #[must_use]
    pub fn proposal(&self, market: &MarketId, number: u64) -> Pubkey {
        Pubkey::new_from_array(self.find(&[seeds::PROPOSAL, &market.0, &number.to_le_bytes()]))
    }

    /// `"measurement"`, market, measurement.
    #[must_use]
    pub fn measurement(&self, market: &MarketId, measurement: &Hash32) -> Pubkey {
        Pubkey::new_from_array(self.find(&[seeds::MEASUREMENT, &market.0, &measurement.0]))
    }

    fn find(&self, seeds: &[&[u8]]) -> [u8; 32] {
        Pubkey::find_program_address(seeds, &self.program).0.to_bytes()
    }
}

/// `owner`'s associated token account for `mint` under `token_program`.
#[must_use]
pub fn associated_token_account(
    owner: &PublicKey,
    mint: &Pubkey,
    token_program: &Pubkey,
) -> Pubkey {
    spl_associated_token_account_interface::address::get_associated_token_address_with_program_id(
        &owner.to_address(),
        mint,
        token_program,
    )
}
