//! Errors say what they are.

use std::collections::BTreeSet;

use pinaivu_rules::RuleError::{
    Broken, Inexact, Insufficient, NotMatured, Nothing, Overflow, Uncovered,
};

#[test]
fn every_error_says_something_of_its_own() {
    let all = [Overflow, Insufficient, NotMatured, Nothing, Broken, Inexact, Uncovered];
    let words: BTreeSet<String> = all.iter().map(ToString::to_string).collect();
    assert_eq!(words.len(), all.len());
    assert!(words.iter().all(|words| !words.is_empty()));
}
