//! Evidence, checked: real documents of both vendors at their time, and documents made here, under a
//! root made here, for every way in which one can be wrong.
#![expect(clippy::unwrap_used, reason = "tests")]

mod binding;
mod format;
mod nitro;
mod parties;
mod producing;
mod tdx;
mod vectors;
