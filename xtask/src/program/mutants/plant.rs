//! Where faults go: checks that let everything pass, comparisons off by one, branches always or never
//! taken, and changes of state or movements of money left out.
//!
//! Works on text formatted by rustfmt. What it does not recognise stays as it is, so a fault missing
//! here is a fault not tried, never one wrongly called killed.

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result};

/// Precedes the number in the program's constants.
pub(super) const MARKER: &str = "pinaivu: chosen fault =";

/// One planted fault.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    /// From 1.
    pub(super) number: u32,
    /// Below `src`.
    pub(super) file: String,
    /// In the unchanged file, from 1.
    line: usize,
    what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}:{} {}", self.number, self.file, self.line, self.what)
    }
}

/// Calls whose loss is a fault, as statements of their own.
const CALLS: [&str; 10] = [
    ".invariant(",
    ".take_free(",
    ".add_free(",
    ".add_allowance(",
    ".remove_allowance(",
    ".set_reservation(",
    ".set_totals(",
    ".set_holdings(",
    ".pay(",
    ".exit(&crate::ID)",
];

/// Comparisons and what they are mistaken for.
const BOUNDARIES: [(&str, &str); 4] =
    [(" >= ", " > "), (" <= ", " < "), (" > ", " >= "), (" < ", " <= ")];

/// Plants faults in every instruction and state file under `src`, and the switch they need.
pub(super) fn plant(src: &Path) -> Result<Vec<Fault>> {
    let mut faults = Vec::new();
    let mut files: Vec<String> = Vec::new();
    for folder in ["instructions", "state"] {
        for entry in std::fs::read_dir(src.join(folder))? {
            let name = entry?.file_name().into_string().ok().context("a file name in UTF-8")?;
            files.push(format!("{folder}/{name}"));
        }
    }
    let others =
        ["clock.rs", "ed25519.rs", "inclusion.rs", "mint.rs", "slashing.rs", "transfer.rs"];
    files.extend(others.map(str::to_owned));
    files.sort();
    for file in files {
        let path = src.join(&file);
        let text = std::fs::read_to_string(&path)?;
        std::fs::write(&path, Planter { file, faults: &mut faults }.plant(&text))?;
    }
    let root = src.join("lib.rs");
    let text = std::fs::read_to_string(&root)?;
    std::fs::write(&root, text.replacen("\nmod ", "\nmod fault;\nmod ", 1))?;
    std::fs::write(src.join("fault.rs"), switch())?;
    Ok(faults)
}

fn switch() -> String {
    let length = MARKER.len();
    format!(
        "//! Which planted fault is on.\n\n\
         static CHOSEN: [u8; {}] = *b\"{MARKER}\\0\\0\\0\\0\";\n\n\
         #[inline(never)]\n\
         pub(crate) fn on(number: u32) -> bool {{\n    \
             let mut chosen = [0; 4];\n    \
             for (index, byte) in chosen.iter_mut().enumerate() {{\n        \
                 *byte = unsafe {{ core::ptr::read_volatile(&raw const CHOSEN[{length} + index]) }};\n    \
             }}\n    \
             u32::from_le_bytes(chosen) == number\n\
         }}\n",
        length + 4
    )
}

struct Planter<'a> {
    file: String,
    faults: &'a mut Vec<Fault>,
}

impl Planter<'_> {
    /// The expression that is true while a new fault is on.
    fn fault(&mut self, line: usize, what: &str) -> String {
        let number = u32::try_from(self.faults.len()).unwrap_or(u32::MAX).saturating_add(1);
        let what = what.split_whitespace().collect::<Vec<_>>().join(" ");
        self.faults.push(Fault { number, file: self.file.clone(), line, what });
        format!("crate::fault::on({number})")
    }

    fn plant(&mut self, text: &str) -> String {
        let lines: Vec<&str> = text.lines().collect();
        let (mut planted, mut index, mut constant) = (String::new(), 0, false);
        while let Some(line) = lines.get(index) {
            let start = line.trim_start();
            if start.starts_with("#[cfg(test)]") {
                planted.push_str(&lines.get(index..).unwrap_or_default().join("\n"));
                break;
            }
            if start.contains("fn ") {
                constant = start.contains("const fn");
            }
            let statement = self.statement(&lines, index);
            let changed = if constant { None } else { self.change(&lines, index, &statement) };
            match changed {
                Some((text, taken)) => {
                    planted.push_str(&text);
                    index += taken;
                }
                None => {
                    planted.push_str(line);
                    index += 1;
                }
            }
            planted.push('\n');
        }
        planted
    }

    /// The statement that begins in a line: lines until brackets are closed.
    fn statement(&self, lines: &[&str], index: usize) -> Vec<String> {
        let (mut depth, mut statement) = (0_i64, Vec::new());
        for line in lines.get(index..).unwrap_or_default() {
            statement.push((*line).to_owned());
            let count = |brackets: &[char]| line.matches(brackets).count() as i64;
            depth += count(&['(', '{', '[']) - count(&[')', '}', ']']);
            if depth <= 0 {
                break;
            }
        }
        statement
    }

    /// What takes the place of a statement, and how many lines that was.
    fn change(
        &mut self,
        lines: &[&str],
        index: usize,
        statement: &[String],
    ) -> Option<(String, usize)> {
        let text = statement.join("\n");
        let start = text.trim_start();
        let line = index + 1;
        if let Some(rest) = start.strip_prefix("require!(") {
            return Some((self.requirement(line, rest)?, statement.len()));
        }
        if ["require_keys_eq!(", "require_keys_neq!(", "require_eq!(", "require_gte!("]
            .iter()
            .any(|check| start.starts_with(check))
            && start.ends_with(';')
        {
            let fault = self.fault(line, &format!("without {start}"));
            return Some((format!("if !{fault} {{ {start} }}"), statement.len()));
        }
        if let Some(rest) = start.strip_prefix("has_one = ") {
            let target = rest.split([' ', ',']).next()?;
            let field = lines
                .get(index..)?
                .iter()
                .find_map(|line| line.trim_start().strip_prefix("pub ")?.split(':').next())?;
            let fault = self.fault(line, &format!("{field}: without has_one = {target}"));
            let rest = rest.strip_prefix(target)?;
            let changed =
                format!("constraint = {fault} || {field}.{target} == {target}.key(){rest}");
            return Some((changed, 1));
        }
        // In one line with others: `#[account(mut, has_one = x @ …)]`.
        if start.starts_with("#[account(") && statement.len() == 1 && start.contains("has_one = ") {
            return Some((self.inline_has_ones(lines, index, start)?, 1));
        }
        if start.starts_with("constraint = ") {
            return Some((self.constraint(line, statement)?, 1));
        }
        let branch = statement.first().map_or("", |line| line.trim());
        if let Some(condition) = branch.strip_prefix("if ").and_then(|rest| rest.strip_suffix(" {"))
            && !condition.contains("let ")
            && !text.contains("else")
        {
            let always = self.fault(line, &format!("if always, not {condition}"));
            let never = self.fault(line, &format!("if never, not {condition}"));
            return Some((format!("if {always} || (!{never} && ({condition})) {{"), 1));
        }
        let call = CALLS.iter().any(|call| start.contains(call));
        let plain = !["let ", "return ", "if ", "for ", "match ", "fn ", "pub ", "//"]
            .iter()
            .any(|word| start.starts_with(word));
        let ends = start.ends_with(';');
        let assigns = start.split_once(" = ").is_some_and(|(left, _)| {
            left.contains('.') && left.chars().all(|it| it.is_alphanumeric() || "._[]".contains(it))
        });
        if plain && ends && (call || assigns) {
            let fault = self.fault(line, &format!("without {start}"));
            return Some((format!("if !{fault} {{ {start} }}"), statement.len()));
        }
        None
    }

    /// A `require!` that lets everything pass, and one whose comparison is off by one.
    fn requirement(&mut self, line: usize, rest: &str) -> Option<String> {
        let comma = rest.rfind(", PinaivuError")?;
        let (condition, error) = rest.split_at(comma);
        let passes = self.fault(line, &format!("without require!({condition})"));
        let mut planted = condition.to_owned();
        let single =
            BOUNDARIES.iter().map(|(sign, _)| condition.matches(sign).count()).sum::<usize>();
        let simple =
            !condition.contains("||") && !condition.contains("&&") && !condition.contains('?');
        if single == 1 && simple {
            let boundary = BOUNDARIES.iter().find(|(sign, _)| condition.contains(sign));
            let (sign, other) = boundary?;
            let fault = self.fault(line, &format!("{} in require!({condition})", other.trim()));
            let off = condition.replacen(sign, other, 1);
            planted = format!("if {fault} {{ {off} }} else {{ {condition} }}");
        }
        Some(format!("require!({passes} || ({planted}){error}"))
    }

    fn constraint(&mut self, line: usize, statement: &[String]) -> Option<String> {
        let text = statement.first()?.trim_start().strip_prefix("constraint = ")?;
        let (condition, rest) = match text.split_once(" @ ") {
            Some((condition, rest)) => (condition, format!(" @ {rest}")),
            // The error is in the next line.
            None => (text, String::new()),
        };
        let fault = self.fault(line, &format!("without constraint = {condition}"));
        Some(format!("constraint = {fault} || ({condition}){rest}"))
    }

    fn inline_has_ones(&mut self, lines: &[&str], index: usize, start: &str) -> Option<String> {
        let field = lines.get(index + 1)?.trim_start().strip_prefix("pub ")?.split(':').next()?;
        let mut planted = start.to_owned();
        while let Some((before, after)) = planted.clone().split_once("has_one = ") {
            let target = after.split([' ', ',', ')']).next()?;
            let fault = self.fault(index + 1, &format!("{field}: without has_one = {target}"));
            let rest = after.strip_prefix(target)?;
            planted =
                format!("{before}constraint = {fault} || {field}.{target} == {target}.key(){rest}");
        }
        Some(planted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planted(text: &str) -> (String, Vec<String>) {
        let mut faults = Vec::new();
        let file = "f.rs".to_owned();
        let text = Planter { file, faults: &mut faults }.plant(text);
        (text, faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn requirement_gets_two_faults_and_keeps_its_error() {
        let (text, faults) = planted("        require!(amount > 0, PinaivuError::AmountZero);\n");
        let expected = "require!(crate::fault::on(1) || (if crate::fault::on(2) { amount >= 0 } \
                        else { amount > 0 }), PinaivuError::AmountZero);\n";
        assert_eq!(text, expected);
        let expected =
            ["1 f.rs:1 without require!(amount > 0)", "2 f.rs:1 >= in require!(amount > 0)"];
        assert_eq!(faults, expected);
    }

    #[test]
    fn relation_becomes_a_constraint_of_the_field_it_stands_at() {
        let text =
            "    #[account(mut, has_one = owner @ PinaivuError::NotOwner)]\n    pub escrow: X,\n";
        let (text, faults) = planted(text);
        let expected = "#[account(mut, constraint = crate::fault::on(1) || escrow.owner == \
                        owner.key() @ PinaivuError::NotOwner)]\n    pub escrow: X,\n";
        assert_eq!(text, expected);
        assert_eq!(faults, ["1 f.rs:1 escrow: without has_one = owner"]);
    }

    #[test]
    fn branch_can_be_taken_always_or_never_and_what_binds_or_has_another_stays() {
        let (text, faults) = planted("        if amount == 0 {\n            f();\n        }\n");
        let expected = "if crate::fault::on(1) || (!crate::fault::on(2) && (amount == 0)) {\n";
        assert!(text.starts_with(expected), "{text}");
        assert_eq!(
            faults,
            ["1 f.rs:1 if always, not amount == 0", "2 f.rs:1 if never, not amount == 0"]
        );
        for kept in [
            "    if let Some(x) = y {\n    }\n",
            "    if a {\n    } else {\n    }\n",
            "    if a { b } else { c }\n",
        ] {
            assert_eq!(planted(kept), (kept.to_owned(), Vec::new()));
        }
    }

    #[test]
    fn change_of_state_can_be_left_out_and_what_is_not_known_stays() {
        let (text, faults) = planted("        it.paid = it.credited;\n        let x = f(1);\n");
        let expected =
            "if !crate::fault::on(1) { it.paid = it.credited; }\n        let x = f(1);\n";
        assert_eq!(text, expected);
        assert_eq!(faults, ["1 f.rs:1 without it.paid = it.credited;"]);
    }
}
