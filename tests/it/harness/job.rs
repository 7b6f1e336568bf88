use std::time::Duration;

use bus::BusError;
use portcullis::up::{settings::Settings, stage::PLAY_KEY, world::World as Sandbox};

use super::{Servers, World, eventually, program, world::Fleetlet};

/// The main job: the sandbox's directory, inbox, relay and chain, and the fleet on them.
pub(crate) struct Job {
    pub(crate) world: World,
    pub(crate) sandbox: Sandbox,
    pub(crate) settings: Settings,
}

impl Job {
    /// A set stage for so many agents; no service runs yet.
    pub(crate) async fn set(agents: usize) -> Job {
        Job::set_with(agents, |_| ()).await
    }

    pub(crate) async fn set_with(agents: usize, change: impl FnOnce(&mut Settings)) -> Job {
        Job::set_on(Servers::wanted(), agents, change).await
    }

    /// On so many servers, whatever NODES says.
    pub(crate) async fn set_on(
        nodes: usize,
        agents: usize,
        change: impl FnOnce(&mut Settings),
    ) -> Job {
        Job::set_as(nodes, agents, change, |toml| toml).await
    }

    /// The same with a configuration that differs from what the settings say.
    pub(crate) async fn set_as(
        nodes: usize,
        agents: usize,
        change: impl FnOnce(&mut Settings),
        differ: impl FnOnce(String) -> String,
    ) -> Job {
        let mut settings = Settings {
            agents,
            relay: "march".to_owned(),
            network: stacks::Network::Mainnet,
            block: Duration::from_millis(50),
            every: Duration::from_millis(500),
            unconfirmed_after: Duration::from_secs(2),
        };
        change(&mut settings);
        let world = World::bare_on(nodes).await;
        let log_dir = world.dir().join("log");
        let sandbox = Sandbox::start(&program("sandbox"), &log_dir, None, &settings).await.unwrap();
        let job = Job { world, sandbox, settings };
        job.world.apply(&differ(job.toml())).await;
        job
    }

    /// The configuration that is applied.
    pub(crate) fn toml(&self) -> String {
        // A killed payer's answer is waited for so long; the sandbox's take moments.
        let toml = self.settings.to_toml(self.sandbox.url());
        toml.replace("timeout = \"15s\"", "timeout = \"5s\"")
    }

    pub(crate) fn spawn(&self, name: &str) -> Fleetlet {
        self.world.spawn_with(name, &[], &[("WALLET_KEY", PLAY_KEY)])
    }

    /// One of each, and so many dispatchers.
    pub(crate) async fn spawn_all(&self, dispatchers: usize) -> Vec<Fleetlet> {
        let mut services =
            vec![self.spawn("gatekeeper"), self.spawn("welcome-payer"), self.spawn("sensor")];
        self.payer_listens().await;
        services.extend((0..dispatchers).map(|_| self.spawn("dispatcher")));
        services
    }

    /// Waits until a payer listens: a dispatcher that finds none tells of it, which is true, and
    /// not what these tests count. What makes no sense is heard and not answered.
    pub(crate) async fn payer_listens(&self) {
        eventually("a payer to listen", || async {
            let within = Duration::from_millis(100);
            let asked = self.world.bus.ask("svc.welcome-payer.run", Vec::new(), within).await;
            matches!(asked, Ok(_) | Err(BusError::TimedOut { .. })).then_some(())
        })
        .await;
    }

    /// Waits until at least so many agents are welcomed, nobody twice.
    pub(crate) async fn welcomed(&self, count: u64) {
        eventually(format!("{count} agents to be welcomed"), || async {
            let ledger = self.sandbox.ledger().await.unwrap();
            assert_eq!(ledger.paid_twice, 0, "M1: somebody was paid twice");
            (count <= ledger.welcomed).then_some(())
        })
        .await;
    }

    /// Waits until every agent is welcomed and every task has ended.
    pub(crate) async fn done(&self) {
        self.welcomed(self.settings.agents as u64).await;
        eventually("the queue to be empty", || async {
            self.world.last("WORK", "task.>").await.is_none().then_some(())
        })
        .await;
        let ledger = self.sandbox.ledger().await.unwrap();
        assert_eq!((ledger.welcomed, ledger.paid_twice), (self.settings.agents as u64, 0));
    }

    /// Sends a body to one of the sandbox's controls.
    pub(crate) async fn control(&self, path: &str, body: serde_json::Value) {
        let url = format!("{}/sandbox/{path}", self.sandbox.url());
        let sent = reqwest::Client::new().post(url).json(&body).send().await.unwrap();
        assert!(sent.status().is_success(), "{:?}", sent.text().await);
    }
}
