//! The linker that rustc calls: sbpf-linker in three runs, with what SBPF v3 needs in between.
//!
//! 1. Merge every input into one module of LLVM text.
//! 2. Replace signed divisions, for which SBPF v3 has no instruction, by calls into `tools/sbf/rt`.
//! 3. Optimise, generate code and link: once with a smaller frame only to see that every frame
//!    fits, then for real.
//!
//! sbpf-linker and its LLVM run through the loader that came with that LLVM, so that the machine's
//! own C library may be older. Where things are comes in the environment: rustc's flags name only
//! the shim, because they are part of the bytes.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use super::environment::{command, output, raw_output};

/// Where the toolroot is.
pub(crate) const TOOLROOT: &str = "PINAIVU_SBF_LINK_TOOLROOT";
/// The virtual machine's frame in bytes.
pub(crate) const FRAME_BYTES: &str = "PINAIVU_SBF_LINK_FRAME_BYTES";
/// How much of the frame a function may use, in bytes.
pub(crate) const FRAME_LIMIT_BYTES: &str = "PINAIVU_SBF_LINK_FRAME_LIMIT_BYTES";

/// Output files with this ending are the program; cargo also links the program crate's own cdylib,
/// which nobody reads.
pub(crate) const PROGRAM_SUFFIX: &str = "_sbf.so";

/// Arguments of the hidden `link` command.
#[derive(Debug, Args)]
pub(crate) struct LinkArgs {
    #[arg(long, env = TOOLROOT)]
    toolroot: PathBuf,
    #[arg(long, env = FRAME_BYTES)]
    frame_bytes: u32,
    #[arg(long, env = FRAME_LIMIT_BYTES)]
    frame_limit_bytes: u32,
    /// What rustc passes to its linker.
    #[arg(last = true)]
    arguments: Vec<OsString>,
}

/// Links one output of rustc.
pub(crate) fn run(args: &LinkArgs) -> Result<()> {
    let target = output_of(&args.arguments).context("the linker was called without -o")?;
    if !target.to_string_lossy().ends_with(PROGRAM_SUFFIX) {
        fs::write(target, [])?;
        return Ok(());
    }
    let scratch = tempfile::tempdir()?;
    let module = merge(args, scratch.path())?;
    fs::write(&module, without_signed_division(&fs::read_to_string(&module)?)?)?;

    let options = options_of(&args.arguments);
    let link = |frame_bytes: u32, target: &Path| {
        let mut linker = linker(args);
        linker.args(&options).arg(stack_size(frame_bytes)).arg("-o").arg(target).arg(&module);
        linker
    };
    check_frames(
        &mut link(args.frame_limit_bytes, &scratch.path().join("trial_sbf.so")),
        args.frame_limit_bytes,
    )?;
    output(&mut link(args.frame_bytes, Path::new(target)), "linking")?;
    Ok(())
}

/// Runs the trial link, which fails when a function's frame exceeds the limit. LLVM says so once for
/// every value that does not fit; what matters is which functions.
fn check_frames(trial: &mut Command, limit_bytes: u32) -> Result<()> {
    let said = raw_output(trial, "the trial link")?;
    if said.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&said.stdout) + String::from_utf8_lossy(&said.stderr);
    let functions = oversized_functions(&text);
    if functions.is_empty() {
        bail!("the trial link failed ({}):\n{text}", said.status);
    }
    bail!(
        "frames of more than {limit_bytes} bytes in:\n  {}\nBox their large values or split them \
         (#[inline(never)] keeps a part apart)",
        functions.into_iter().collect::<Vec<_>>().join("\n  ")
    )
}

/// The functions, by symbol, of which LLVM says that the stack limit is exceeded.
fn oversized_functions(said: &str) -> BTreeSet<&str> {
    said.lines()
        .filter(|line| line.contains("stack limit is exceeded"))
        .filter_map(|line| line.split_once("in function ")?.1.split_whitespace().next())
        .collect()
}

/// Merges all inputs into one module in `scratch`. sbpf-linker dumps it on the way to an output
/// that is no object file, where it stops with an error: the dump is what counts.
fn merge(args: &LinkArgs, scratch: &Path) -> Result<PathBuf> {
    let mut linker = linker(args);
    linker
        .args(without_output(&args.arguments))
        .arg(stack_size(args.frame_bytes))
        .args(["-O0", "--emit=llvm-ir"])
        .arg("-o")
        .arg(scratch.join("merged_sbf.ll"))
        .arg("--dump-module")
        .arg(scratch);
    let said = raw_output(&mut linker, "merging the program's modules")?;
    let module = scratch.join("pre-opt.ll");
    if !fs::metadata(&module).is_ok_and(|module| module.len() > 0) {
        bail!(
            "merging the program's modules failed ({}):\n{}{}",
            said.status,
            String::from_utf8_lossy(&said.stdout),
            String::from_utf8_lossy(&said.stderr)
        );
    }
    Ok(module)
}

/// sbpf-linker, on its own LLVM, through its own loader.
fn linker(args: &LinkArgs) -> Command {
    let root = &args.toolroot;
    let mut linker = command(root.join("llvm-root/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"));
    linker
        .arg("--library-path")
        .arg(root.join("llvm-root/usr/lib/x86_64-linux-gnu"))
        .arg(root.join("tools/bin/sbpf-linker"))
        .env("LD_LIBRARY_PATH", root.join("llvm"));
    linker
}

fn stack_size(bytes: u32) -> String {
    format!("--llvm-args=--bpf-stack-size={bytes}")
}

fn output_of(arguments: &[OsString]) -> Option<&OsStr> {
    arguments.windows(2).find_map(|pair| match pair {
        [flag, value] if flag == "-o" => Some(value.as_os_str()),
        _ => None,
    })
}

fn without_output(arguments: &[OsString]) -> Vec<&OsString> {
    let mut kept = Vec::with_capacity(arguments.len());
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "-o" {
            rest.next();
        } else {
            kept.push(argument);
        }
    }
    kept
}

/// Options without the output and without input files, which the merged module replaces. Values of
/// options that take a file are kept.
fn options_of(arguments: &[OsString]) -> Vec<&OsString> {
    let mut options = Vec::new();
    let mut value_follows = false;
    for argument in without_output(arguments) {
        let is_input = Path::new(argument)
            .extension()
            .is_some_and(|extension| extension == "o" || extension == "rlib");
        if value_follows || !is_input {
            options.push(argument);
        }
        value_follows = argument == "--export-symbols";
    }
    options
}

/// Rewrites `%q = sdiv [exact] i64 %a, %b` to `%q = call i64 @__sbf_sdiv_i64(i64 %a, i64 %b)`, the
/// same for `srem` and the narrower integers. 128-bit division stays: LLVM makes library calls of
/// it by itself. What rt does not supply (vectors, odd widths) is refused.
fn without_signed_division(module: &str) -> Result<String> {
    let mut rewritten = String::with_capacity(module.len());
    for line in module.split_inclusive('\n') {
        match division(line)? {
            Some(call) => rewritten.push_str(&call),
            None => rewritten.push_str(line),
        }
    }
    Ok(rewritten)
}

fn division(line: &str) -> Result<Option<String>> {
    let Some((result, instruction)) = line.split_once(" = ") else {
        return Ok(None);
    };
    let Some((operation, operands)) = instruction.split_once(' ') else {
        return Ok(None);
    };
    if !matches!(operation, "sdiv" | "srem") || !result.trim_start().starts_with('%') {
        return Ok(None);
    }
    let operands = operands.strip_prefix("exact ").unwrap_or(operands);
    let (width, values) =
        operands.split_once(' ').with_context(|| format!("unreadable division: {line}"))?;
    match width {
        "i128" => return Ok(None),
        "i8" | "i16" | "i32" | "i64" => {}
        _ => bail!("no run-time support for this division: {line}"),
    }
    // Metadata may follow the operands; it says nothing that the call needs.
    let mut values = values.trim_end().split(", ");
    let (Some(dividend), Some(divisor)) = (values.next(), values.next()) else {
        bail!("unreadable division: {line}");
    };
    Ok(Some(format!(
        "{result} = call {width} @__sbf_{operation}_{width}({width} {dividend}, {width} {divisor})\n"
    )))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn arguments(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn signed_division_becomes_a_call() {
        let module =
            "  %q = sdiv i64 %a, -3\n  %r = srem i8 %b, %c, !dbg !7\n  %e = sdiv exact i32 %a, 8\n";
        assert_eq!(
            without_signed_division(module).unwrap(),
            "  %q = call i64 @__sbf_sdiv_i64(i64 %a, i64 -3)\n  \
             %r = call i8 @__sbf_srem_i8(i8 %b, i8 %c)\n  \
             %e = call i32 @__sbf_sdiv_i32(i32 %a, i32 8)\n"
        );
    }

    #[test]
    fn oversized_functions_are_named_once() {
        let said = "ERROR llvm: x: in function _RNv1a void (ptr): Looks like the BPF stack limit is exceeded. P\n\
                    ERROR llvm: x: in function _RNv1a void (ptr): Looks like the BPF stack limit is exceeded. P\n\
                    note: in function _RNv1b i64 (): something else\n\
                    ERROR llvm: x: in function _RNv1c i64 (): Looks like the BPF stack limit is exceeded. P\n";
        let expected = BTreeSet::from(["_RNv1a", "_RNv1c"]);
        assert_eq!(oversized_functions(said), expected);
    }

    #[test]
    fn other_lines_stay_as_they_are() {
        let module = "  %q = sdiv i128 %a, %b\n  %u = udiv i64 %a, %b\n@s = constant [6 x i8] c\" sdiv \"\n}\n";
        assert_eq!(without_signed_division(module).unwrap(), module);
    }

    #[test]
    fn division_without_support_is_refused() {
        assert!(without_signed_division("  %v = sdiv <2 x i64> %a, %b\n").is_err());
        assert!(without_signed_division("  %v = srem i24 %a, %b\n").is_err());
    }

    #[test]
    fn inputs_and_output_are_dropped_and_option_values_kept() {
        let given =
            arguments("--export-symbols names.o a.o -L dir lib.rlib -o out_sbf.so --cpu v2");
        assert_eq!(output_of(&given).unwrap(), "out_sbf.so");
        let expected = arguments("--export-symbols names.o -L dir --cpu v2");
        assert_eq!(options_of(&given), expected.iter().collect::<Vec<_>>());
    }
}
