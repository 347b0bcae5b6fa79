//! Holds a coordinator's signed words for asks against books and receipts that lie about them in every way
//! they can, and prints what is found: part of `cargo xtask lies`.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a program for people")]

mod lies;
#[path = "../../tests/auction/market.rs"]
#[expect(dead_code, reason = "tests need more of it")]
mod market;
#[path = "../../tests/auction/word.rs"]
mod word;

use std::process::ExitCode;

use lies::{LIES, Story, market, word_for};
use word::clear;

fn main() -> ExitCode {
    let market = market();
    println!("an honest auction over {} entries", market.entries.len());
    for number in 1..=3 {
        let outcome = clear(&market, &[], &[]);
        let finding = Story::of(word_for(&market, number), &market, outcome).finding();
        if finding.is_passed_over() {
            println!("  WRONGLY ACCUSED by node {number}: {finding:?}");
            return ExitCode::FAILURE;
        }
        println!("  node {number}: {finding:?}");
    }
    println!("passes a node over");
    let (mut missed, mut proven) = (0, 0);
    for lie in LIES {
        let finding = (lie.tell)().finding();
        println!("  {}", lie.name);
        if lie.is_shown_by(finding) {
            println!("    found    {finding:?}");
        } else {
            missed += 1;
            println!("    MISSED   {finding:?}");
        }
        if lie.signed {
            proven += 1;
            println!("    proof    by the coordinator's signatures alone");
        } else {
            println!("    proof    by what it published, or by what the node knows");
        }
    }
    println!("{} lies, {missed} missed, {proven} proven by signatures alone", LIES.len());
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
