//! Transactions, accounts and the clock.

use std::collections::BTreeMap;

use anchor_lang::AccountDeserialize;
use litesvm::types::{FailedTransactionMetadata, TransactionMetadata};
use solana_account::{Account, AccountSharedData, ReadableAccount as _};
use solana_clock::Clock;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_message::Message;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;
use solana_transaction::Transaction;

use super::{LOADER, Refusal, World, refusal};

/// Owner of the cluster's own accounts.
const SYSVAR: Pubkey = Pubkey::from_str_const("Sysvar1111111111111111111111111111111111111");

impl World {
    /// Runs instructions in one transaction and lets the oracle check what came of it.
    pub(crate) fn send(
        &mut self,
        instructions: &[Instruction],
        signers: &[&Keypair],
    ) -> Result<TransactionMetadata, FailedTransactionMetadata> {
        let result = self.send_unchecked(instructions, signers);
        self.check();
        result
    }

    /// The same without the oracle, for worlds that a test has put out of order.
    pub(crate) fn send_unchecked(
        &mut self,
        instructions: &[Instruction],
        signers: &[&Keypair],
    ) -> Result<TransactionMetadata, FailedTransactionMetadata> {
        self.svm.expire_blockhash();
        let mut keys = vec![&self.payer];
        for signer in signers {
            if keys.iter().all(|key| key.pubkey() != signer.pubkey()) {
                keys.push(signer);
            }
        }
        let message = Message::new(instructions, Some(&self.payer.pubkey()));
        let mut transaction = Transaction::new_unsigned(message);
        transaction
            .try_sign(&keys, self.svm.latest_blockhash())
            .expect("a key for every signer of the message");
        self.svm.send_transaction(transaction)
    }

    /// From now on the runtime takes it that whoever must sign does. Gives a wallet that pays fees and
    /// takes no other part.
    pub(crate) fn sponsor(&mut self) -> Pubkey {
        self.svm = std::mem::take(&mut self.svm).with_sigverify(false);
        let sponsor = Pubkey::new_from_array([0xfe; 32]);
        self.svm.airdrop(&sponsor, 1_000_000_000_000).unwrap();
        sponsor
    }

    /// Runs instructions in one transaction that a [`World::sponsor`] pays for, without the oracle.
    pub(crate) fn send_sponsored(
        &mut self,
        instructions: &[Instruction],
        sponsor: &Pubkey,
    ) -> Result<TransactionMetadata, FailedTransactionMetadata> {
        let blockhash = self.svm.latest_blockhash();
        let message = Message::new_with_blockhash(instructions, Some(sponsor), &blockhash);
        self.svm.send_transaction(Transaction::new_unsigned(message))
    }

    /// Every account that a transaction may change, but for what the sponsor pays with.
    pub(crate) fn footprint(&self) -> BTreeMap<Pubkey, AccountSharedData> {
        let accounts = self.svm.accounts_db().inner.iter();
        let changing = accounts.filter(|(address, account)| {
            let programs = account.executable() || *account.owner() == LOADER;
            let sysvar = *account.owner() == SYSVAR || account.lamports() == 0;
            !programs && !sysvar && address.as_array() != &[0xfe; 32]
        });
        changing.map(|(address, account)| (*address, account.clone())).collect()
    }

    /// Runs one instruction that must succeed.
    #[track_caller]
    pub(crate) fn ok(
        &mut self,
        instruction: &Instruction,
        signers: &[&Keypair],
    ) -> TransactionMetadata {
        match self.send(std::slice::from_ref(instruction), signers) {
            Ok(meta) => meta,
            Err(failure) => panic!("{:?}\n{}", failure.err, failure.meta.pretty_logs()),
        }
    }

    /// Runs one instruction that must be refused with this error.
    #[track_caller]
    pub(crate) fn fails(
        &mut self,
        instruction: &Instruction,
        signers: &[&Keypair],
        expected: impl Into<Refusal>,
    ) {
        let Refusal(expected) = expected.into();
        match self.send(std::slice::from_ref(instruction), signers) {
            Ok(_) => panic!("succeeded instead of {expected}"),
            Err(failure) => {
                assert_eq!(refusal(&failure), expected, "{}", failure.meta.pretty_logs());
            }
        }
    }

    /// Runs instructions in one transaction that must succeed.
    #[track_caller]
    pub(crate) fn sends(
        &mut self,
        instructions: &[Instruction],
        signers: &[&Keypair],
    ) -> TransactionMetadata {
        match self.send(instructions, signers) {
            Ok(meta) => meta,
            Err(failure) => panic!("{:?}\n{}", failure.err, failure.meta.pretty_logs()),
        }
    }

    /// Runs instructions in one transaction that must be refused with this error.
    #[track_caller]
    pub(crate) fn refuses(
        &mut self,
        instructions: &[Instruction],
        signers: &[&Keypair],
        expected: impl Into<Refusal>,
    ) {
        let expected = expected.into();
        match self.send(instructions, signers) {
            Ok(_) => panic!("succeeded instead of {expected:?}"),
            Err(failure) => {
                assert_eq!(
                    Refusal::from(refusal(&failure).as_str()),
                    expected,
                    "{}",
                    failure.meta.pretty_logs()
                );
            }
        }
    }

    /// An account of the program, decoded.
    #[track_caller]
    pub(crate) fn read<T: AccountDeserialize>(&self, address: &Pubkey) -> T {
        let account = self.svm.get_account(address).expect("the account exists");
        assert_eq!(account.owner, pinaivu::ID);
        T::try_deserialize(&mut account.data.as_slice()).expect("the account decodes")
    }

    /// An account of the program, if it is there.
    pub(crate) fn stored<T: AccountDeserialize>(&self, address: &Pubkey) -> Option<T> {
        self.exists(address).then(|| self.read(address))
    }

    /// Whether an account is there.
    pub(crate) fn exists(&self, address: &Pubkey) -> bool {
        self.svm.get_account(address).is_some_and(|account| account.lamports > 0)
    }

    /// Slot of the cluster's clock.
    pub(crate) fn slot(&self) -> u64 {
        self.svm.get_sysvar::<Clock>().slot
    }

    /// Time of the cluster's clock.
    pub(crate) fn time(&self) -> i64 {
        self.svm.get_sysvar::<Clock>().unix_timestamp
    }

    /// Sets both of the cluster's clocks.
    pub(crate) fn set_clock(&mut self, slot: u64, time: i64) {
        let mut clock = self.svm.get_sysvar::<Clock>();
        clock.slot = slot;
        clock.unix_timestamp = time;
        self.svm.set_sysvar(&clock);
    }

    /// Lets slots and seconds pass.
    pub(crate) fn pass(&mut self, slots: u64, seconds: u64) {
        let time = self.time() + i64::try_from(seconds).unwrap();
        self.set_clock(self.slot() + slots, time);
    }

    /// Makes someone, or nobody, the program's upgrade authority.
    pub(crate) fn set_upgrade_authority(&mut self, authority: Option<Pubkey>) {
        let address = program_data();
        let mut account = self.svm.get_account(&address).unwrap();
        // bincode of the loader's state: u32 tag, u64 slot, Option<Pubkey>.
        account.data[12] = u8::from(authority.is_some());
        account.data[13..45].copy_from_slice(&authority.unwrap_or_default().to_bytes());
        self.svm.set_account(address, account).unwrap();
    }

    /// Overwrites an account, for states that no instruction leads to.
    pub(crate) fn set_account(&mut self, address: Pubkey, account: Account) {
        self.svm.set_account(address, account).unwrap();
    }
}

/// Where the program's bytes and upgrade authority are.
pub(crate) fn program_data() -> Pubkey {
    Pubkey::find_program_address(&[pinaivu::ID.as_ref()], &LOADER).0
}
