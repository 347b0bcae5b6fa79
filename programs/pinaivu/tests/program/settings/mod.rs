//! Where the tests of several instructions start from.

pub(crate) mod leaving;
pub(crate) mod log;
pub(crate) mod reserving;
pub(crate) mod served;
pub(crate) mod settled;
pub(crate) mod settling;
pub(crate) mod staked;
