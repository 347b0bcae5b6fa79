//! `docs/program.md`: every instruction, account, event and error, from the committed IDL.
//!
//! The file is generated so that it is complete; this test keeps it true. To write it again:
//! `PINAIVU_WRITE_REFERENCE=1 cargo test -p pinaivu-program --test program -- reference`.

use std::fmt::Write as _;

use serde_json::Value;

/// Reads the committed IDL.
fn idl() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../idls/pinaivu.json");
    serde_json::from_str(&std::fs::read_to_string(path).expect("the committed IDL")).unwrap()
}

fn list<'a>(value: &'a Value, member: &str) -> &'a [Value] {
    value[member].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn name(value: &Value) -> &str {
    value["name"].as_str().expect("a name in the IDL")
}

/// What the sources say of something, as one cell of a table.
fn about(value: &Value) -> String {
    let lines: Vec<&str> = list(value, "docs").iter().filter_map(Value::as_str).collect();
    // Links of the sources lead nowhere here.
    let text = lines.join(" ").replace("[`", "`").replace("`]", "`").replace('|', "\\|");
    text.replace("  ", " ").trim().to_owned()
}

fn discriminator(value: &Value) -> String {
    let bytes = list(value, "discriminator").iter();
    bytes.map(|byte| format!("{:02x}", byte.as_u64().unwrap())).collect()
}

/// A type as the documentation writes it.
fn written(kind: &Value) -> String {
    if let Some(plain) = kind.as_str() {
        return if plain == "bytes" { "Vec<u8>".to_owned() } else { plain.to_owned() };
    }
    if let Some(defined) = kind["defined"]["name"].as_str() {
        return defined.to_owned();
    }
    if let Some([item, length]) = kind["array"].as_array().map(Vec::as_slice) {
        return format!("[{}; {length}]", written(item));
    }
    if !kind["vec"].is_null() {
        return format!("Vec<{}>", written(&kind["vec"]));
    }
    assert!(!kind["option"].is_null(), "a type that the IDL did not use before: {kind}");
    format!("Option<{}>", written(&kind["option"]))
}

/// Bytes of a type, where they are always as many.
fn size(idl: &Value, kind: &Value) -> Option<u64> {
    if let Some(plain) = kind.as_str() {
        return Some(match plain {
            "bool" | "u8" => 1,
            "u16" => 2,
            "u32" => 4,
            "u64" | "i64" => 8,
            "u128" => 16,
            "pubkey" => 32,
            _ => return None,
        });
    }
    if let Some([item, length]) = kind["array"].as_array().map(Vec::as_slice) {
        return Some(size(idl, item)? * length.as_u64()?);
    }
    let defined = definition(idl, kind["defined"]["name"].as_str()?);
    if defined["type"]["kind"] == "enum" {
        let empty = list(&defined["type"], "variants").iter().all(|it| it["fields"].is_null());
        return empty.then_some(1);
    }
    list(&defined["type"], "fields").iter().map(|field| size(idl, &field["type"])).sum()
}

fn definition<'a>(idl: &'a Value, named: &str) -> &'a Value {
    let found = list(idl, "types").iter().find(|it| name(it) == named);
    found.unwrap_or_else(|| panic!("the IDL does not define {named}"))
}

/// Fields with their offset from `start`, for as long as it can be known.
fn fields(idl: &Value, kind: &Value, start: u64) -> String {
    let mut table = String::from("\n| offset | field | type | |\n|---:|---|---|---|\n");
    let mut offset = Some(start);
    for field in list(&kind["type"], "fields") {
        let at = offset.map(|it| it.to_string()).unwrap_or_default();
        let (written, about) = (written(&field["type"]), about(field));
        writeln!(table, "| {at} | `{}` | `{written}` | {about} |", name(field)).unwrap();
        offset = offset.and_then(|it| Some(it + size(idl, &field["type"])?));
    }
    table
}

fn instructions(idl: &Value) -> String {
    let mut text = String::from(
        "\n## Instructions\n\nData: the discriminator, then the arguments in borsh. Accounts in this \
         order; an optional one that is left out is the program's own address. **s** signs, **w** is \
         written.\n",
    );
    for it in list(idl, "instructions") {
        write!(text, "\n### `{}`\n\n`{}` · {}\n", name(it), discriminator(it), about(it)).unwrap();
        text.push_str("\n| account | | |\n|---|---|---|\n");
        for account in list(it, "accounts") {
            let flag = |member: &str, mark| {
                if account[member].as_bool() == Some(true) { mark } else { "" }
            };
            let marks = [flag("signer", "s"), flag("writable", "w"), flag("optional", "optional")];
            let marks: Vec<&str> = marks.into_iter().filter(|mark| !mark.is_empty()).collect();
            writeln!(text, "| `{}` | {} | {} |", name(account), marks.join(" "), about(account))
                .unwrap();
        }
        for argument in list(it, "args") {
            let kind = argument["type"]["defined"]["name"].as_str();
            text.push_str(&fields(idl, definition(idl, kind.expect("a struct")), 8));
        }
    }
    text
}

fn described(idl: &Value, member: &str, title: &str, opening: &str) -> String {
    let mut text = format!("\n## {title}\n\n{opening}\n");
    for it in list(idl, member) {
        let kind = definition(idl, name(it));
        let (mark, about) = (discriminator(it), about(kind));
        write!(text, "\n### {}\n\n`{mark}` · {about}\n", name(it)).unwrap();
        text.push_str(&fields(idl, kind, 8));
    }
    text
}

/// Types that are neither arguments, accounts nor events, but parts of them.
fn parts(idl: &Value) -> String {
    let whole = |it: &Value| {
        let named = |member| list(idl, member).iter().any(|other| name(other) == name(it));
        let argument = list(idl, "instructions").iter().any(|instruction| {
            let mut all = list(instruction, "args").iter();
            all.any(|argument| argument["type"]["defined"]["name"] == it["name"])
        });
        named("accounts") || named("events") || argument
    };
    let mut text = String::from("\n## Types\n\nParts of the above.\n");
    for it in list(idl, "types").iter().filter(|it| !whole(it)) {
        write!(text, "\n### {}\n\n{}\n", name(it), about(it)).unwrap();
        if it["type"]["kind"] == "enum" {
            text.push_str("\n| number | variant | |\n|---:|---|---|\n");
            for (number, variant) in list(&it["type"], "variants").iter().enumerate() {
                let content = list(variant, "fields").iter().map(written).collect::<Vec<_>>();
                let content = content.first().map(|of| format!("`{of}`. ")).unwrap_or_default();
                let about = about(variant);
                writeln!(text, "| {number} | `{}` | {content}{about} |", name(variant)).unwrap();
            }
        } else {
            text.push_str(&fields(idl, it, 0));
        }
    }
    text
}

fn errors(idl: &Value) -> String {
    let mut text = String::from("\n## Errors\n\n| code | name | |\n|---:|---|---|\n");
    for it in list(idl, "errors") {
        let message = it["msg"].as_str().expect("a message");
        writeln!(text, "| {} | `{}` | {message} |", it["code"], name(it)).unwrap();
    }
    text
}

fn reference() -> String {
    let idl = idl();
    let mut text = String::from(
        "# The program's reference\n\nGenerated from `idls/pinaivu.json`; a test keeps it true. What \
         the instructions are for, how money moves and what is signed is in [protocol.md](protocol.md); \
         addresses are there too, in section 15. Integers are little endian, everything is borsh; an \
         offset is given for as long as all before it has a fixed length.\n",
    );
    text.push_str(&instructions(&idl));
    let opening = "Data: the discriminator, then these fields.";
    text.push_str(&described(&idl, "accounts", "Accounts", opening));
    let opening = "In the transaction's log after `Program data: `, base64: the discriminator, then \
                   these fields.";
    text.push_str(&described(&idl, "events", "Events", opening));
    text.push_str(&parts(&idl));
    text.push_str(&errors(&idl));
    text
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test's arguments can come from nowhere else")]
fn reference_is_what_the_idl_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/program.md");
    let now = reference();
    if std::env::var_os("PINAIVU_WRITE_REFERENCE").is_some() {
        std::fs::write(path, &now).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == now, "docs/program.md is not what the IDL says; see {}", file!());
}

#[test]
fn reference_says_something_of_everything() {
    let (text, idl) = (reference(), idl());
    for member in ["instructions", "accounts", "events", "errors"] {
        assert!(!list(&idl, member).is_empty(), "{member}");
        for it in list(&idl, member) {
            let (plain, code) = (format!("### {}\n", name(it)), format!("`{}`", name(it)));
            assert!(text.contains(&plain) || text.contains(&code), "{}", name(it));
        }
    }
    for it in list(&idl, "instructions").iter().chain(list(&idl, "types")) {
        assert!(!about(it).is_empty(), "{} says nothing of itself", name(it));
    }
    // What protocol.md says by hand covers every kind of account, by name.
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocol.md");
    let protocol = std::fs::read_to_string(path).unwrap();
    for it in list(&idl, "accounts") {
        assert!(protocol.contains(&format!("`{}`", name(it))), "protocol.md: {}", name(it));
    }
    assert!(protocol.contains("program.md"));
}
