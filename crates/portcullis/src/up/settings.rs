use std::time::Duration;

use stacks::Network;

/// How the main job runs against the stand-in world.
#[derive(Clone, Debug)]
pub struct Settings {
    pub agents: usize,
    /// Which published relay the world imitates: `march` or `today`.
    pub relay: String,
    /// Which of the two chains the world has.
    pub network: Network,
    /// Time between two blocks of the world's chain.
    pub block: Duration,
    /// Time between two cycles of the sensor.
    pub every: Duration,
    /// Accepted but not confirmed for so long counts as a failure of the relay.
    pub unconfirmed_after: Duration,
}

impl Settings {
    /// The configuration file, for a world at `url`.
    pub fn to_toml(&self, url: &str) -> String {
        let ms = |time: Duration| format!("\"{}ms\"", time.as_millis());
        let (every, unconfirmed) = (ms(self.every), ms(self.unconfirmed_after));
        let cap = self.agents.max(1);
        format!(
            r#"# Written by `portcullis up` and `portcullis replay`: the main job against the sandbox.

[kinds.welcome]
handler = {{ service = "welcome-payer" }}
needs = ["relay", "inbox", "wallet", "chain"]
attempts = 5
rest = "1s"
rest_max = "5s"
concurrency = 1
lease = "5s"
timeout = "15s"

[gates.relay]
about = "the x402 sponsor relay, through which every payment goes"
remedy = "have the relay's stuck nonce cleared, then open; its health probes say ok all along"

[gates.inbox]
about = "the AIBTC inbox"
remedy = "look whether the inbox answers again"

[gates.wallet]
about = "the wallet that pays"
remedy = "look at `portcullis gate show wallet`: balance, nonces, unresolved payments; if the record is behind, `portcullis payment adopt`; then open"

[gates.chain]
about = "the Stacks API"
remedy = "look whether the Stacks API answers again"

[sensors.aibtc-directory.directory]
url = "{url}/api"
kind = "welcome"
network = "{network}"
every = {every}
cap_cycle = {cap}
cap_day = {cap_day}
purpose = "welcome"
message = "Welcome, {{name}}! Here are 100 sats to get you started."

[payer]
network = "{network}"
inbox_url = "{url}/api"
relay_url = "{url}/relay-host"
stacks_url = "{url}"
amount_max_sats = 100
in_flight = 1
unconfirmed_after = {unconfirmed}
unresolved_after = "10m"
ask_every = "1s"
depth = 1
"#,
            cap_day = cap * 10,
            network = self.network,
        )
    }
}
