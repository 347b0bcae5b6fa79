//! Carries totals to the chain and brings back what it says.
