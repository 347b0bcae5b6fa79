//! Outcomes, as a table for people and as JSON.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::workspace;

/// Around the generated part of docs/conformance.md.
const BEGIN: &str = "<!-- the table below is written by `cargo xtask conformance --publish` -->\n";

/// What one client's cases gave.
#[derive(Clone, Debug)]
pub(crate) struct Outcomes {
    /// Name and version.
    pub(crate) client: String,
    /// Names and outcomes, in order.
    pub(crate) cases: Vec<(String, String)>,
    /// Whether none failed.
    pub(crate) passed: bool,
}

/// Clients with their cases, one column for each backend.
type Columns<'a> = [(&'a str, Vec<Outcomes>)];

/// One table for each client.
pub(crate) fn markdown(columns: &Columns<'_>) -> String {
    let mut text = String::new();
    let Some((_, first)) = columns.first() else { return text };
    for (at, client) in first.iter().enumerate() {
        let titles: Vec<&str> = columns.iter().map(|(title, _)| *title).collect();
        text.push_str(&format!("| {} | {} |\n|---|", client.client, titles.join(" | ")));
        text.push_str(&"---|".repeat(titles.len()));
        text.push('\n');
        for (name, _) in &client.cases {
            let cells: Vec<&str> = columns
                .iter()
                .map(|(_, clients)| clients.get(at).map_or("", |client| outcome(client, name)))
                .collect();
            text.push_str(&format!("| {name} | {} |\n", cells.join(" | ")));
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn outcome<'a>(client: &'a Outcomes, name: &str) -> &'a str {
    let found = client.cases.iter().find(|(case, _)| case == name);
    found.map_or("not run", |(_, outcome)| outcome)
}

/// The same for programs.
pub(crate) fn json(columns: &Columns<'_>) -> Value {
    let clients = |clients: &Vec<Outcomes>| -> Vec<Value> {
        clients
            .iter()
            .map(|client| json!({ "client": client.client, "cases": client.cases }))
            .collect()
    };
    columns
        .iter()
        .map(|(title, all)| json!({ "against": title, "clients": clients(all) }))
        .collect()
}

/// Puts the table into docs/conformance.md.
pub(crate) fn publish(table: &str) -> Result<()> {
    let path = workspace::root().join("docs/conformance.md");
    let text = std::fs::read_to_string(&path)?;
    let (head, _) = text.split_once(BEGIN).context("docs/conformance.md has no place for it")?;
    std::fs::write(&path, format!("{head}{BEGIN}\n{table}"))?;
    Ok(())
}
