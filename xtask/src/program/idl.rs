//! The program's IDL, printed by test functions that Anchor's macros generate, on stable Rust.
//!
//! The library alone is compiled with the test harness, so that the program's dev-dependencies (a
//! whole virtual machine) need not be. It follows that unit tests inside the program's library may
//! use only its ordinary dependencies.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anchor_lang_idl_spec::{Idl, IdlConst, IdlErrorCode, IdlEvent, IdlTypeDef};
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::environment::{command, output, run};
use super::places::Places;
use super::recipe::Recipe;
use super::target::Target;
use super::toolchain::Rustc;

/// The printer runs once, for milliseconds: what its compilation costs is all that counts.
const UNOPTIMISED: [&str; 3] =
    ["profile.dev.opt-level=0", "profile.dev.debug=false", "profile.dev.package.\"*\".opt-level=0"];

/// Compiles and runs the generated printers; returns the file's text.
pub(crate) fn generate(places: &Places, recipe: &Recipe, target: &Target) -> Result<String> {
    let rustc = Rustc::find(&recipe.rust.version)?;
    let target_dir = places.build_dir(target).join("idl");
    fs::create_dir_all(&target_dir)?;
    let printer = target_dir.join("print-idl");
    // Anchor's macros read their settings while they are compiled, so that a target directory
    // belongs to one setting; ours is this one.
    run(
        rustc
            .cargo()
            .current_dir(&target.dir)
            .args(["rustc", "--quiet", "--locked", "--lib", "--features", "idl-build"])
            .args(["--package", &target.package])
            .args(UNOPTIMISED.iter().flat_map(|setting| ["--config", setting]))
            .arg("--target-dir")
            .arg(&target_dir)
            .args(["--", "--test", "--cap-lints=allow", "-o"])
            .arg(&printer)
            .env("ANCHOR_IDL_BUILD_PROGRAM_PATH", &target.dir)
            .env("ANCHOR_IDL_BUILD_RESOLUTION", "TRUE")
            .env("ANCHOR_IDL_BUILD_NO_DOCS", "FALSE")
            .env("ANCHOR_IDL_BUILD_SKIP_LINT", "FALSE"),
        "compiling the IDL's printer",
    )?;
    let printed = output(
        command(&printer)
            .args(["__anchor_private_print_idl", "--show-output", "--quiet", "--test-threads=1"])
            .env("ANCHOR_IDL_BUILD_PROGRAM_PATH", &target.dir),
        "printing the IDL",
    )?;
    let idl = simplify_paths(assemble(&printed)?)?;
    Ok(serde_json::to_string_pretty(&idl)? + "\n")
}

/// Writes the committed IDL.
pub(crate) fn write(places: &Places, idl: &str) -> Result<()> {
    fs::write(places.idl_file(), idl)
        .with_context(|| format!("cannot write {}", places.idl_file().display()))
}

/// The address in an IDL's text.
pub(crate) fn address(idl: &str) -> Result<String> {
    let idl: Idl = serde_json::from_str(idl)?;
    Ok(idl.address)
}

/// An event as it is printed, with the types it uses.
#[derive(Deserialize)]
struct PrintedEvent {
    event: IdlEvent,
    types: Vec<IdlTypeDef>,
}

/// Puts the printed parts together: each lies between `--- IDL begin NAME ---` and `--- IDL end
/// NAME ---`.
fn assemble(printed: &str) -> Result<Idl> {
    let mut address = None;
    let mut program: Option<Idl> = None;
    let mut constants: Vec<IdlConst> = Vec::new();
    let mut events = Vec::new();
    let mut errors: Option<Vec<IdlErrorCode>> = None;
    let mut types = BTreeMap::new();
    for (name, text) in sections(printed) {
        let section = || format!("unreadable IDL section {name}");
        match name {
            "address" => address = Some(serde_json::from_str(&text).unwrap_or(text)),
            "const" => constants.push(serde_json::from_str(&text).with_context(section)?),
            "event" => {
                let printed: PrintedEvent = serde_json::from_str(&text).with_context(section)?;
                events.push(printed.event);
                types.extend(printed.types.into_iter().map(|ty| (ty.name.clone(), ty)));
            }
            "errors" => {
                ensure!(errors.is_none(), "a program has one error enum");
                errors = Some(serde_json::from_str(&text).with_context(section)?);
            }
            "program" => program = Some(serde_json::from_str(&text).with_context(section)?),
            _ => {}
        }
    }
    let mut idl = program.context("the printer printed no program")?;
    idl.address = address.context("the printer printed no address")?;
    idl.constants = constants;
    idl.events = events;
    idl.errors = errors.unwrap_or_default();
    types.extend(idl.types.drain(..).map(|ty| (ty.name.clone(), ty)));
    idl.types = types.into_values().collect();
    Ok(idl)
}

/// Sections in the order they were printed.
fn sections(printed: &str) -> Vec<(&str, String)> {
    let mut sections = Vec::new();
    let mut open: Option<(&str, Vec<&str>)> = None;
    for line in printed.lines() {
        let marker = line.strip_prefix("--- IDL ").and_then(|line| line.strip_suffix(" ---"));
        match (marker.and_then(|marker| marker.split_once(' ')), &mut open) {
            (Some(("begin", name)), _) => open = Some((name, Vec::new())),
            (Some(("end", _)), current) => {
                if let Some((name, lines)) = current.take() {
                    sections.push((name, lines.join("\n")));
                }
            }
            (_, Some((_, lines))) => lines.push(line),
            _ => {}
        }
    }
    sections
}

/// Writes `module::Name` as `Name` wherever no other path ends in the same name, and puts every
/// list in order of name.
fn simplify_paths(idl: Idl) -> Result<Idl> {
    let mut value = serde_json::to_value(idl)?;
    let mut paths: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for_each_string(&mut value, &mut |text| {
        if let Some(name) = path_name(text) {
            paths.entry(name.to_owned()).or_default().insert(text.clone());
        }
    });
    for_each_string(&mut value, &mut |text| {
        if let Some(name) = path_name(text)
            && paths.get(name).is_some_and(|paths| paths.len() == 1)
        {
            *text = name.to_owned();
        }
    });
    let mut idl: Idl = serde_json::from_value(value)?;
    idl.instructions.sort_by(|a, b| a.name.cmp(&b.name));
    idl.accounts.sort_by(|a, b| a.name.cmp(&b.name));
    idl.events.sort_by(|a, b| a.name.cmp(&b.name));
    idl.constants.sort_by(|a, b| a.name.cmp(&b.name));
    idl.types.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(idl)
}

/// The last name of a Rust path of two names or more.
fn path_name(text: &str) -> Option<&str> {
    let is_name = |name: &str| {
        !name.is_empty()
            && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    };
    let (_, name) = text.rsplit_once("::")?;
    text.split("::").all(is_name).then_some(name)
}

fn for_each_string(value: &mut Value, visit: &mut impl FnMut(&mut String)) {
    match value {
        Value::String(text) => visit(text),
        Value::Array(values) => values.iter_mut().for_each(|value| for_each_string(value, visit)),
        Value::Object(fields) => {
            fields.values_mut().for_each(|value| for_each_string(value, visit))
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const PRINTED: &str = r#"
running 3 tests
---- __anchor_private_print_idl_address stdout ----
--- IDL begin address ---
"Fg6PaFpoGXkYsidMpWTK6W2BeZ7FEfcYkg476zPFsLnS"
--- IDL end address ---
---- __anchor_private_print_idl_event_moved stdout ----
--- IDL begin event ---
{"event": {"name": "prog::Moved", "discriminator": [1]},
 "types": [{"name": "prog::Moved", "type": {"kind": "struct", "fields": [{"name": "by", "type": {"defined": {"name": "a::Amount"}}}]}},
           {"name": "a::Amount", "type": {"kind": "struct"}},
           {"name": "b::Other", "type": {"kind": "struct"}}]}
--- IDL end event ---
---- __anchor_private_print_idl_program stdout ----
--- IDL begin program ---
{"address": "", "metadata": {"name": "prog", "version": "0.1.0", "spec": "0.1.0"},
 "instructions": [
   {"name": "withdraw", "discriminator": [3], "accounts": [], "args": []},
   {"name": "deposit", "discriminator": [2], "accounts": [], "args": []}],
 "types": [{"name": "c::Other", "type": {"kind": "struct"}}]}
--- IDL end program ---
"#;

    fn names<'a>(names: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
        names.map(String::as_str).collect()
    }

    #[test]
    fn printed_sections_become_one_sorted_idl() {
        let idl = simplify_paths(assemble(PRINTED).unwrap()).unwrap();
        assert_eq!(idl.address, "Fg6PaFpoGXkYsidMpWTK6W2BeZ7FEfcYkg476zPFsLnS");
        assert_eq!(
            names(idl.instructions.iter().map(|instruction| &instruction.name)),
            ["deposit", "withdraw"]
        );
        assert_eq!(names(idl.events.iter().map(|event| &event.name)), ["Moved"]);
    }

    #[test]
    fn paths_are_shortened_only_where_the_name_stays_unique() {
        let idl = simplify_paths(assemble(PRINTED).unwrap()).unwrap();
        assert_eq!(
            names(idl.types.iter().map(|ty| &ty.name)),
            ["Amount", "Moved", "b::Other", "c::Other"]
        );
        let text = serde_json::to_string(&idl).unwrap();
        assert!(text.contains(r#"{"defined":{"name":"Amount"}}"#), "{text}");
    }

    #[test]
    fn output_without_a_program_is_refused() {
        let (before, _) = PRINTED.split_once("--- IDL begin program").unwrap();
        assert!(assemble(before).is_err());
    }
}
