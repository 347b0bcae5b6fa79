//! Markets, and people who have registered or reserved something.

use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use super::{Actor, Coordinator, FEE, MIN_BOND, Market, Node, World, rules};

impl World {
    /// Opens a market for a new mint.
    pub(crate) fn open_market(&mut self, token_program: Pubkey) -> Market {
        let mint = self.mint(token_program, 6);
        let market = Market::of(mint, token_program);
        let open = self.market_initialize(&market, rules(self.governance.pubkey()));
        let deployer = self.deployer.insecure_clone();
        self.ok(&open, &[&deployer]);
        market
    }

    /// Someone with `amount` tokens of the usual market.
    pub(crate) fn actor(&mut self, amount: u64) -> Actor {
        self.actor_in(self.market, amount)
    }

    /// Someone with `amount` tokens of a market.
    pub(crate) fn actor_in(&mut self, market: Market, amount: u64) -> Actor {
        let key = self.key();
        self.svm.airdrop(&key.pubkey(), 1_000_000_000).unwrap();
        let tokens = self.token_account(&market, &key.pubkey(), amount);
        Actor { key, tokens }
    }

    /// A registered coordinator with exactly the market's minimum bond.
    pub(crate) fn coordinator(&mut self) -> Coordinator {
        self.coordinator_in(self.market)
    }

    /// The same in a market.
    pub(crate) fn coordinator_in(&mut self, market: Market) -> Coordinator {
        let authority = self.actor_in(market, MIN_BOND);
        let signer = self.key();
        let slot = self.slot();
        let (address, register) =
            self.coordinator_register(&market, &authority.address(), &signer.pubkey(), slot, FEE);
        self.ok(&register, &[&authority.key, &signer]);
        let coordinator = Coordinator { address, authority, signer };
        let bond = self.coordinator_bond(&market, &coordinator, 0, MIN_BOND);
        self.ok(&bond, &[&coordinator.authority.key]);
        coordinator
    }

    /// A registered node without stake.
    pub(crate) fn node(&mut self) -> Node {
        self.node_in(self.market)
    }

    /// The same in a market.
    pub(crate) fn node_in(&mut self, market: Market) -> Node {
        let operator = self.actor_in(market, 0);
        let payout_owner = self.actor_in(market, 0);
        let signer = self.key();
        let slot = self.slot();
        let (address, register) = self.node_register(
            &market,
            &operator.address(),
            &signer.pubkey(),
            &payout_owner.address(),
            slot,
        );
        self.ok(&register, &[&operator.key, &signer]);
        Node { address, operator, signer, payout_owner }
    }

    /// An open payout.
    pub(crate) fn payout(&mut self, coordinator: &Coordinator, node: &Node) -> Pubkey {
        let market = self.market;
        let (payout, open) = self.payout_open(&market, &coordinator.address, &node.address);
        self.ok(&open, &[]);
        payout
    }

    /// An escrow with `amount` in it, taken from the owner's tokens.
    pub(crate) fn escrow(&mut self, owner: &Actor, amount: u64) -> Pubkey {
        self.escrow_in(self.market, owner, amount)
    }

    /// The same in a market.
    pub(crate) fn escrow_in(&mut self, market: Market, owner: &Actor, amount: u64) -> Pubkey {
        let slot = self.slot();
        let (escrow, open) = self.escrow_open(&market, &owner.address(), slot);
        self.ok(&open, &[&owner.key]);
        if amount > 0 {
            let deposit = self.escrow_deposit(&market, &escrow, owner, amount);
            self.ok(&deposit, &[&owner.key]);
        }
        escrow
    }

    /// An allowance of `amount` that expires in an hour.
    pub(crate) fn allowance(
        &mut self,
        owner: &Actor,
        escrow: &Pubkey,
        coordinator: &Coordinator,
        amount: u64,
    ) -> Pubkey {
        let (slot, expiry) = (self.slot(), self.time() + 3_600);
        let market = self.market;
        let (allowance, open) = self.allowance_open(
            &market,
            &owner.address(),
            escrow,
            &coordinator.address,
            slot,
            amount,
            expiry,
        );
        self.ok(&open, &[&owner.key]);
        allowance
    }
}
