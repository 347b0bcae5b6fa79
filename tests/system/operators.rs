//! Who may serve: a node process that is not registered, or has too little at stake, is turned away by
//! name and told what to do; once it does, it serves.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use pinaivu_system_tests::{Network, Wallet, binaries, check_conservation, eventually};
use pinaivu_testkit::ScriptedServer;

/// A node process beside those of the network; ends with the test.
struct Node {
    process: Child,
    log: PathBuf,
}

impl Node {
    /// Runs `node-1`'s configuration with another account, key and data directory.
    fn start(network: &Network, account: &str, key: &Path) -> Self {
        let directory = network.scratch();
        let ours = std::fs::read_to_string(network.data_dir().join("run/node-1.toml")).unwrap();
        let quoted = |path: &Path| format!("{:?}", path.display().to_string());
        let changed: Vec<String> = ours
            .lines()
            .map(|line| match line.split_once(" = ").map(|(name, _)| name) {
                Some("node") => format!("node = \"{account}\""),
                Some("key_file") => format!("key_file = {}", quoted(key)),
                Some("data_dir") => format!("data_dir = {}", quoted(&directory.join(account))),
                _ => line.to_owned(),
            })
            .collect();
        let config = directory.join("third.toml");
        std::fs::write(&config, changed.join("\n")).unwrap();
        let log = directory.join("third.log");
        let out = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let process = Command::new(binaries().join("pinaivu-node"))
            .args(["run", "--stdin-guard", "--config"])
            .arg(config)
            .stdin(Stdio::piped())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .unwrap();
        Self { process, log }
    }

    /// Waits until its log says this.
    async fn says(&self, words: &[&str]) {
        eventually(&format!("the node to say {words:?}"), Duration::from_secs(30), async || {
            let log = std::fs::read_to_string(&self.log)?;
            Ok(log.lines().any(|line| words.iter().all(|word| line.contains(word))).then_some(()))
        })
        .await
        .unwrap_or_else(|error| panic!("{error}\n{}", std::fs::read_to_string(&self.log).unwrap()));
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

async fn connected(network: &Network, count: u64) {
    eventually(&format!("{count} nodes"), Duration::from_secs(45), async || {
        let status = network.get("/network").await?.json();
        Ok((status["nodes"] == count).then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn node_serves_only_once_it_is_registered_and_staked() {
    let backend = ScriptedServer::start().await.unwrap();
    let network = Network::start(&["--backend", &backend.url()]).await.unwrap();
    connected(&network, 2).await;
    let operator = Wallet::funded(&network, "operator", "20").await.unwrap();
    let key = network.scratch().join("third-key.json");

    // An account that does not exist: any address that nobody opened.
    let nobody = operator.public().to_string();
    let node = Node::start(&network, &nobody, &key);
    node.says(&["node_unregistered", "register"]).await;
    drop(node);

    // Somebody else's account: the TLS key is not its signer.
    let theirs = network.nodes().unwrap()[0].to_string();
    let node = Node::start(&network, &theirs, &key);
    node.says(&["signer_mismatch"]).await;
    drop(node);

    // Registered, with nothing at stake.
    let made = operator.cli_json(&["node", "register", "--key", key.to_str().unwrap()]).unwrap();
    let account = made["node"].as_str().unwrap().to_owned();
    let node = Node::start(&network, &account, &key);
    node.says(&["stake_too_low", "pinaivu node stake"]).await;
    connected(&network, 2).await;

    // One unit less than what is asked is still too little; the unit makes it a node, without a restart.
    operator.cli_json(&["node", "stake", "9.999999"]).unwrap();
    node.says(&["stake_too_low", "9.999999"]).await;
    operator.cli_json(&["node", "stake", "0.000001"]).unwrap();
    connected(&network, 3).await;
    let reply = network.chat(&network.request("hello").unwrap()).await.unwrap();
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    check_conservation(&network.chain().unwrap(), network.market().unwrap()).await.unwrap();
}
