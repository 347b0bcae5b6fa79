//! What the program's Ed25519 reader, which is included here as it is, calls its errors.

pub(crate) use pinaivu::error::PinaivuError;
