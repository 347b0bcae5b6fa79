//! Pure integer money rules: fees, splits, reservations, unbonding and conservation.
