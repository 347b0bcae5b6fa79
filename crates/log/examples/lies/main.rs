//! Runs the audit against a coordinator that lies in every way it can, and prints what was found and
//! what the program would have refused: `cargo xtask lies`.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a program for people")]

mod lies;
mod world;

use std::process::ExitCode;

use pinaivu_log::audit;
use world::Story;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    for (who, story) in [
        ("an honest coordinator", Story::honest()),
        ("an honest coordinator, restored from a backup", Story::restored()),
    ] {
        let report = audit::run(&story.serve(), &story, story.evidence.clone(), |_| {}).await;
        let report = report.unwrap();
        println!("{who}: {} receipts", report.totals.receipts);
        if !report.is_consistent() {
            println!("  WRONGLY ACCUSED: {}", report.contradictions[0]);
            return ExitCode::FAILURE;
        }
        println!("  nothing contradicts anything");
    }
    let honest = Story::honest();
    let (mut way, mut missed, mut refused) = ("", 0, 0);
    for lie in lies::LIES {
        if way != lie.way {
            way = lie.way;
            println!("{way}");
        }
        let mut told = honest.clone();
        (lie.tell)(&mut told);
        let report = audit::run(&told.serve(), &told, told.evidence.clone(), |_| {}).await.unwrap();
        let found = report.contradictions.iter().find(|finding| finding.kind == lie.kind);
        println!("  {}", lie.name);
        match found {
            Some(finding) => println!("    found    {finding}"),
            None => {
                missed += 1;
                println!("    MISSED   expected {:?}: {:?}", lie.kind, report.contradictions);
            }
        }
        match lies::refusal(&honest, &told) {
            Some(why) => {
                refused += 1;
                println!("    program  refuses: {why}");
            }
            None => println!("    program  cannot know"),
        }
    }
    println!(
        "{} lies, {missed} missed, {refused} already refused by the program",
        lies::LIES.len()
    );
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
