//! What the IDL says of instructions and accounts: names, signers, writables.

use std::collections::BTreeMap;

use serde_json::Value;

/// One account that an instruction takes.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) name: String,
    pub(crate) signer: bool,
    pub(crate) writable: bool,
    /// May be left out, which the program's own address stands for.
    pub(crate) optional: bool,
    /// The only address it may have, where it is always the same.
    pub(crate) address: Option<String>,
}

/// The committed IDL.
pub(crate) struct Idl {
    /// By instruction its accounts in order.
    pub(crate) instructions: BTreeMap<String, Vec<Slot>>,
    /// By name the discriminator of each kind of account.
    pub(crate) kinds: Vec<(String, [u8; 8])>,
}

impl Idl {
    pub(crate) fn read() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../idls/pinaivu.json");
        let text = std::fs::read_to_string(path).expect("the committed IDL");
        let idl: Value = serde_json::from_str(&text).unwrap();
        let instructions = list(&idl, "instructions")
            .iter()
            .map(|it| (name(it), list(it, "accounts").iter().map(slot).collect()))
            .collect();
        let kinds = list(&idl, "accounts")
            .iter()
            .map(|it| (name(it), serde_json::from_value(it["discriminator"].clone()).unwrap()))
            .collect();
        Self { instructions, kinds }
    }
}

fn list<'a>(value: &'a Value, member: &str) -> &'a [Value] {
    value[member].as_array().expect("a list in the IDL")
}

fn name(value: &Value) -> String {
    value["name"].as_str().expect("a name in the IDL").to_owned()
}

fn slot(value: &Value) -> Slot {
    let flag = |member: &str| value[member].as_bool().unwrap_or_default();
    Slot {
        name: name(value),
        signer: flag("signer"),
        writable: flag("writable"),
        optional: flag("optional"),
        address: value["address"].as_str().map(str::to_owned),
    }
}
