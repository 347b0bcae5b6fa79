//! libFuzzer over the target that `PINAIVU_FUZZ_TARGET` names.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use pinaivu_fuzz_targets::{Target, target};

static TARGET: OnceLock<Target> = OnceLock::new();

fuzz_target!(|data: &[u8]| {
    let target = TARGET.get_or_init(|| {
        let name = std::env::var("PINAIVU_FUZZ_TARGET").unwrap_or_default();
        target(&name).unwrap_or_else(|| panic!("PINAIVU_FUZZ_TARGET names no target: '{name}'"))
    });
    (target.run)(data);
});
