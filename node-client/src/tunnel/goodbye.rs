//! What an operator does about a coordinator's refusal.

use crate::identity::Identity;

/// Advice for a code of [`pinaivu_protocol::tunnel::Goodbye`].
pub(super) fn advice(code: &str, identity: &Identity) -> String {
    let (node, signer) = (identity.node, identity.key.public());
    match code {
        "node_unregistered" => {
            format!(
                "register the node with signer {signer}, and put the printed account into `node`"
            )
        }
        "signer_mismatch" => format!(
            "the account {node} names another signer than this key file's {signer}: use the right \
             key_file, or rotate the signer"
        ),
        "stake_too_low" => format!("run: pinaivu node stake --node {node} AMOUNT"),
        "node_inactive" => "register a new node: this one is closed or suspended".to_owned(),
        "wrong_market" => "check `node` and [[coordinators]]: they are of two markets".to_owned(),
        "book_full" => "the coordinator takes no more nodes; wait, or serve another one".to_owned(),
        // The coordinator's own words say what there is to know, for example that the chain is away.
        _ => "nothing to do here; dialling goes on".to_owned(),
    }
}
