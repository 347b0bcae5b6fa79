//! How to report a flaw, readable from the deployed program by anyone who finds one.
//!
//! The format is that of `solana-security-txt`: between two marks, keys and values that each end with a
//! zero byte. Explorers look for the marks anywhere in the program's bytes.

const TEXT: &str = concat!(
    "=======BEGIN SECURITY.TXT V1=======\0",
    "name\0Pinaivu\0",
    "project_url\0https://github.com/pinaivu/pinaivu\0",
    "contacts\0link:https://github.com/pinaivu/pinaivu/security/advisories/new\0",
    "policy\0https://github.com/pinaivu/pinaivu/blob/main/SECURITY.md\0",
    "preferred_languages\0en\0",
    "source_code\0https://github.com/pinaivu/pinaivu\0",
    "source_release\0v",
    env!("CARGO_PKG_VERSION"),
    "\0",
    "=======END SECURITY.TXT V1=======\0",
);

/// The text, as bytes in the program.
#[used]
pub static SECURITY_TXT: [u8; TEXT.len()] = match TEXT.as_bytes().first_chunk() {
    Some(text) => *text,
    None => [0; TEXT.len()],
};
