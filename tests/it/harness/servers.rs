//! The NATS servers of one world: one node, or three in a cluster, as local processes that
//! can be killed, frozen and cut off from each other.

mod node;
mod ways;

use std::{collections::BTreeMap, path::Path, time::Duration};

use bus::Bus;
use serde_json::Value;

use self::{
    node::{Node, Ports},
    ways::Ways,
};
use super::eventually;

/// One node, or three of which any two suffice. Gone when dropped.
///
/// Everything acknowledged is on disk: `sync_interval: always`.
pub(crate) struct Servers {
    nodes: Vec<Node>,
    /// `None` where there is one node.
    ways: Option<Ways>,
}

impl Servers {
    /// How many nodes the tests run on: NODES, or one.
    pub(crate) fn wanted() -> usize {
        match std::env::var("NODES").as_deref() {
            Err(_) | Ok("" | "1") => 1,
            Ok("3") => 3,
            Ok(other) => panic!("NODES is {other:?}; it may be 1 or 3"),
        }
    }

    /// Starts so many nodes with their data under `dir`, and waits until they are one.
    pub(crate) async fn start(dir: &Path, count: usize) -> Servers {
        let ports: Vec<_> = (0..count).map(|_| Ports::free()).collect();
        let routes: Vec<_> = ports.iter().map(Ports::route).collect();
        let ways = if 1 < count { Some(Ways::between(&routes).await) } else { None };
        let start = |(number, ports): (usize, Ports)| {
            let doors: Vec<_> = ways.iter().flat_map(|ways| ways.doors(number)).collect();
            Node::start(dir, &format!("nats-{number}"), ports, &doors)
        };
        let nodes = ports.into_iter().enumerate().map(start).collect();
        let mut servers = Servers { nodes, ways };
        for node in &mut servers.nodes {
            node.listens().await;
        }
        servers.settled().await;
        servers
    }

    pub(crate) fn count(&self) -> usize {
        self.nodes.len()
    }

    /// All nodes, separated by commas.
    pub(crate) fn url(&self) -> String {
        let urls: Vec<_> = self.nodes.iter().map(Node::url).collect();
        urls.join(",")
    }

    /// The monitoring ports of all nodes, separated by commas.
    pub(crate) fn monitors(&self) -> String {
        let urls: Vec<_> = self.nodes.iter().map(Node::monitor).collect();
        urls.join(",")
    }

    pub(crate) fn url_of(&self, node: usize) -> String {
        self.nodes[node].url()
    }

    /// SIGKILL.
    pub(crate) async fn kill(&mut self, node: usize) {
        self.nodes[node].kill().await;
    }

    /// Starts a node again on the same port, with the same data; returns once it listens.
    pub(crate) async fn start_again(&mut self, node: usize) {
        self.nodes[node].start_again().await;
    }

    /// Kills all nodes as a power cut would, as far as the processes go.
    pub(crate) async fn kill_all(&mut self) {
        for node in &mut self.nodes {
            node.kill().await;
        }
    }

    /// Starts all nodes again and waits until they are one.
    pub(crate) async fn start_all_again(&mut self) {
        for node in &mut self.nodes {
            node.start_again().await;
        }
        self.settled().await;
    }

    /// SIGSTOP: the node keeps its connections and answers nothing.
    pub(crate) async fn freeze(&self, node: usize) {
        self.nodes[node].signal("STOP").await;
    }

    /// SIGCONT.
    pub(crate) async fn thaw(&self, node: usize) {
        self.nodes[node].signal("CONT").await;
    }

    /// Cuts a node off the other nodes; its clients stay with it.
    pub(crate) fn cut(&self, node: usize) {
        self.ways.as_ref().expect("a single node has no wires").cut(node, true);
    }

    /// Lets a node that was cut off find the others again.
    pub(crate) fn heal(&self, node: usize) {
        self.ways.as_ref().expect("a single node has no wires").cut(node, false);
    }

    /// Waits until every node that was not killed says that it and all its streams are
    /// current, and all agree on who leads what.
    pub(crate) async fn settled(&self) {
        eventually("the NATS servers to settle", || async {
            let mut seen = Vec::new();
            for node in self.nodes.iter().filter(|node| !node.is_down()) {
                if !node.healthy().await {
                    return None;
                }
                seen.push(leaders(&node.knows().await?)?);
            }
            seen.windows(2).all(|pair| pair[0] == pair[1]).then_some(())
        })
        .await;
    }

    /// The node that leads a stream, as most of those that answer say; waits for one.
    pub(crate) async fn leader(&self, stream: &str) -> usize {
        eventually(format!("a leader of {stream}"), || self.leads(stream)).await
    }

    /// Waits until another node leads the stream.
    pub(crate) async fn leader_other_than(&self, stream: &str, node: usize) -> usize {
        eventually(format!("another leader of {stream}"), || async {
            self.leads(stream).await.filter(|leader| *leader != node)
        })
        .await
    }

    /// Has the leader of a stream give up its office; true if it did.
    pub(crate) async fn step_down(&self, bus: &Bus, stream: &str) -> bool {
        let api = format!("$JS.API.STREAM.LEADER.STEPDOWN.{stream}");
        let answer = bus.ask(&api, Vec::new(), Duration::from_secs(5)).await;
        answer.is_ok_and(|answer| String::from_utf8_lossy(&answer).contains("\"success\":true"))
    }

    /// How many clients of that name are connected to a node.
    pub(crate) async fn clients(&self, node: usize, name: &str) -> usize {
        eventually("the clients of a node", || self.nodes[node].clients(name)).await
    }

    /// What the nodes wrote down: for a person, when a test fails.
    pub(crate) fn logs(&self) -> String {
        let log = |node: &Node| format!("==> {}\n{}\n", node.name(), node.log());
        self.nodes.iter().map(log).collect()
    }

    async fn leads(&self, stream: &str) -> Option<usize> {
        let mut votes = BTreeMap::<String, usize>::new();
        for node in self.nodes.iter().filter(|node| !node.is_down()) {
            let Some(known) = node.knows().await else { continue };
            let leader = leaders(&known).and_then(|mut leaders| leaders.remove(stream));
            *votes.entry(leader.unwrap_or_default()).or_default() += 1;
        }
        let (leader, votes) = votes.into_iter().max_by_key(|(_, votes)| *votes)?;
        let most = self.count() / 2 < votes;
        self.nodes.iter().position(|node| most && node.name() == leader)
    }
}

/// Who leads the cluster (under no name) and each stream. `None` if anything has no leader.
fn leaders(known: &Value) -> Option<BTreeMap<String, String>> {
    let mut leaders = BTreeMap::new();
    if let Some(meta) = known.get("meta_cluster") {
        leaders.insert(String::new(), named(&meta["leader"])?);
    }
    let accounts = known["account_details"].as_array().into_iter().flatten();
    for stream in accounts.flat_map(|account| account["stream_detail"].as_array()).flatten() {
        // A single node does not speak of leaders.
        let leader = stream.get("cluster").map_or(Some(String::new()), |it| named(&it["leader"]));
        leaders.insert(named(&stream["name"])?, leader?);
    }
    Some(leaders)
}

fn named(value: &Value) -> Option<String> {
    value.as_str().filter(|name| !name.is_empty()).map(str::to_owned)
}
