//! What every instruction must withstand, whichever it is: a case for each makes the tests.

mod accounts;
mod again;
mod budget;
mod case;
mod idl;
mod promises;
mod stage;

pub(crate) use accounts::tamper;
pub(crate) use again::{cut, pair, repeat};
pub(crate) use budget::starve;
pub(crate) use case::{Again, Case, Make};
pub(crate) use idl::Idl;
pub(crate) use promises::{LISTED, PROPOSED};
pub(crate) use stage::{Stage, said};
