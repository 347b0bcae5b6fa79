//! Checks as commands print them: one line each, passed, failed or not checked with the reason.

use serde::Serialize;

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// It holds.
    Passed,
    /// It does not hold.
    Failed,
    /// It could not be looked at; the detail says why.
    NotChecked,
}

/// One check.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Check {
    /// What was checked.
    pub name: &'static str,
    /// What was found.
    pub verdict: Verdict,
    /// In words.
    pub detail: String,
}

impl std::fmt::Display for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mark = match self.verdict {
            Verdict::Passed => "pass",
            Verdict::Failed => "FAIL",
            Verdict::NotChecked => "not checked",
        };
        write!(f, "{mark:11}  {:22} {}", self.name, self.detail)
    }
}

/// Checks in the order they were made.
#[derive(Debug, Default)]
pub(crate) struct Checks(Vec<Check>);

impl Checks {
    /// One that could be looked at.
    pub(crate) fn add(
        &mut self,
        name: &'static str,
        holds: bool,
        passed: impl Into<String>,
        failed: impl Into<String>,
    ) {
        let (verdict, detail) =
            if holds { (Verdict::Passed, passed.into()) } else { (Verdict::Failed, failed.into()) };
        self.0.push(Check { name, verdict, detail });
    }

    /// One that is a result.
    pub(crate) fn result<E: std::fmt::Display>(
        &mut self,
        name: &'static str,
        result: Result<(), E>,
        passed: &str,
    ) {
        match result {
            Ok(()) => self.add(name, true, passed, ""),
            Err(error) => self.add(name, false, "", error.to_string()),
        }
    }

    /// One that could not be looked at.
    pub(crate) fn skip(&mut self, name: &'static str, why: impl Into<String>) {
        self.0.push(Check { name, verdict: Verdict::NotChecked, detail: why.into() });
    }

    /// Whether none failed.
    pub(crate) fn hold(&self) -> bool {
        self.0.iter().all(|check| check.verdict != Verdict::Failed)
    }

    /// The list, for a report.
    pub(crate) fn into_list(self) -> Vec<Check> {
        self.0
    }
}
