//! `safe-apply history`: past transactions and their outcomes.

use anyhow::Result;
use serde_json::{Value, json};

use super::{require_root, settle_first};
use crate::cli::Json;
use crate::client::{err, out};
use crate::exit::Exit;
use crate::transaction::{Reason, State, Store, Transaction};

/// Lists past transactions, newest last. What cannot be settled is warned of and listed.
///
/// # Errors
/// When the state directory cannot be read.
pub fn run(store: &Store, args: &Json) -> Result<Exit> {
    require_root("reading the history")?;
    // Looking changes nothing; the verbs that do go no further than this.
    if let Err(error) = settle_first(store) {
        err(&format!("Warning: {error:#}"));
    }
    let entries: Vec<Value> = store.list()?.iter().map(entry).collect();
    if args.json {
        out(&Value::Array(entries).to_string());
        return Ok(Exit::Success);
    }
    if entries.is_empty() {
        out("No change has been made with safe-apply yet.");
    }
    for entry in &entries {
        let text = |key: &str| entry[key].as_str().unwrap_or("-").to_owned();
        let forced = if entry["forced"] == true {
            ", by force"
        } else {
            ""
        };
        let reason = in_words(&entry["reason"]);
        out(&format!(
            "{}  {}{forced}{reason}  [{} from {}]  {}",
            text("transaction"),
            text("outcome").replace('_', " "),
            text("user"),
            text("from"),
            text("command"),
        ));
    }
    Ok(Exit::Success)
}

/// Why it did not commit; empty where it did.
fn in_words(reason: &Value) -> String {
    let known = serde_json::from_value(reason.clone()).map(|known: Reason| known.to_string());
    match known.ok().as_deref().or(reason.as_str()) {
        Some(reason) => format!(": {reason}"),
        None => String::new(),
    }
}

fn entry(transaction: &Transaction) -> Value {
    let meta = transaction.meta().ok();
    let mut entry = json!({
        "transaction": transaction.id,
        "time": meta.as_ref().map(|meta| &meta.created),
        "user": meta.as_ref().and_then(|meta| meta.origin.user.as_ref()),
        "from": meta.as_ref().and_then(|meta| meta.origin.tuple).map(|tuple| tuple.peer.ip().to_string()),
        "command": meta.as_ref().map(|meta| &meta.command_line),
        "outcome": "pending",
        "reason": null,
        "forced": false,
        "confirmed_from": null,
    });
    match transaction.last() {
        Ok(Some(last)) => {
            entry["outcome"] = json!(outcome(&last.state));
            entry["reason"] = json!(last.state.reason());
            entry["forced"] = json!(last.detail.forced);
            entry["confirmed_from"] = json!(last.detail.peer);
        }
        Ok(None) => entry["outcome"] = json!("failed"),
        Err(_) if !transaction.has_begun() => entry["outcome"] = json!("failed"),
        Err(error) => {
            entry["outcome"] = json!("damaged");
            entry["reason"] = json!(error.to_string());
        }
    }
    entry
}

const fn outcome(state: &State) -> &'static str {
    if state.is_final() {
        state.name()
    } else {
        "pending"
    }
}
