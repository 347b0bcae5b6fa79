//! What of the program was executed: every step from one of its instructions to the next, as the virtual
//! machine's register trace shows them, calls of other programs left out.
//!
//! Steps are kept as bits of a map by their hash, as AFL does it; two that fall together are one.

use std::hash::{DefaultHasher, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use litesvm::{InvocationInspectCallback, LiteSVM};
use solana_program_runtime::invoke_context::InvokeContext;
use solana_transaction::sanitized::SanitizedTransaction;

/// Bits of the map: the program has a quarter of a million instructions.
const BITS: usize = 1 << 22;

/// Where the trace of a step has the place of the instruction.
const PLACE: usize = 11;

/// What was seen by anybody who shares it.
#[derive(Clone, Debug)]
pub(super) struct Map(Arc<[AtomicU64]>);

impl Map {
    pub(super) fn new() -> Self {
        Self((0..BITS / 64).map(|_| AtomicU64::new(0)).collect())
    }

    /// Whether nobody saw it before.
    fn see(&self, what: usize) -> bool {
        let (word, bit) = (what % BITS / 64, 1 << (what % 64));
        self.0[word].fetch_or(bit, Ordering::Relaxed) & bit == 0
    }

    /// Everything that was seen.
    pub(super) fn seen(&self) -> Vec<u64> {
        self.0.iter().map(|word| word.load(Ordering::Relaxed)).collect()
    }

    /// How much was seen.
    pub(super) fn count(&self) -> u32 {
        self.seen().iter().map(|word| word.count_ones()).sum()
    }
}

/// Watches one chain and its forks.
#[derive(Clone, Debug)]
pub(super) struct Tracer {
    map: Map,
    fresh: Arc<AtomicU64>,
}

impl Tracer {
    pub(super) fn new(map: &Map) -> Self {
        Self { map: map.clone(), fresh: Arc::default() }
    }

    /// Things seen for the first time since this was asked before.
    pub(super) fn fresh(&self) -> u64 {
        self.fresh.swap(0, Ordering::Relaxed)
    }

    fn see(&self, what: usize) {
        if self.map.see(what) {
            self.fresh.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Something else worth seeing, by its hash: which outcome followed which.
    pub(super) fn see_hash(&self, what: impl std::hash::Hash) {
        let mut hasher = DefaultHasher::new();
        what.hash(&mut hasher);
        self.see(usize::try_from(hasher.finish() % BITS as u64).unwrap());
    }
}

impl InvocationInspectCallback for Tracer {
    fn before_invocation(
        &self,
        _: &LiteSVM,
        _: &SanitizedTransaction,
        _: &[u16],
        _: &mut InvokeContext<'_, '_>,
        _: bool,
    ) {
    }

    fn after_invocation(
        &self,
        _: &LiteSVM,
        _: &SanitizedTransaction,
        _: &[u16],
        context: &InvokeContext<'_, '_>,
        _: bool,
    ) {
        context.iterate_vm_traces(&|instruction, _, trace| {
            if instruction.get_program_key() != Ok(&pinaivu::ID) {
                return;
            }
            let places = trace.iter().map(|registers| registers[PLACE]);
            places.fold(0_u64, |before, place| {
                let step = before.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29) ^ place;
                self.see(usize::try_from(step % BITS as u64).unwrap());
                place
            });
        });
    }
}
