//! What every instruction must withstand, whichever it is: a case for each makes the tests.

mod accounts;
mod again;
mod budget;
mod case;
mod flows;
mod idl;
mod stage;

pub(crate) use accounts::tamper;
pub(crate) use again::{cut, pair, repeat};
pub(crate) use budget::starve;
pub(crate) use case::{Again, Case, Make};
pub(crate) use flows::{LISTED, NEXT_PROPOSAL, UNLISTED};
pub(crate) use idl::Idl;
pub(crate) use stage::{Stage, said};
