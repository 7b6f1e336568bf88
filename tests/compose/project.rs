//! The containers, networks and volumes of one stack; gone when dropped.

use std::process::Command as Blocking;

use tokio::process::Command;

use crate::docker;

pub(crate) struct Project {
    pub(crate) name: String,
    /// In `deploy/`, each over the one before.
    pub(crate) files: Vec<String>,
    /// What the files read from the environment.
    pub(crate) env: Vec<(String, String)>,
}

impl Project {
    /// Runs compose on the stack, by whichever command COMPOSE names.
    pub(crate) async fn compose(&self, args: &[&str]) -> String {
        let compose = std::env::var_os("COMPOSE").unwrap_or_else(|| "docker-compose".into());
        let compose = compose.into_string().unwrap();
        let mut words = compose.split(' ');
        let mut command = Command::new(words.next().unwrap());
        command.args(words).args(["-p", &self.name]);
        for file in &self.files {
            command.args(["-f", &format!("{}/../deploy/{file}", env!("CARGO_MANIFEST_DIR"))]);
        }
        command.args(args).envs(self.env.iter().cloned());
        docker::carry_out(command).await
    }

    /// The containers of a service, oldest number first, running or not.
    pub(crate) async fn containers(&self, service: &str) -> Vec<String> {
        let service = format!("label=com.docker.compose.service={service}");
        let format = "{{.Label \"com.docker.compose.container-number\"}} {{.ID}}";
        let one_off = "label=com.docker.compose.oneoff=False";
        let args =
            ["ps", "-a", "--filter", &self.label(), "--filter", &service, "--filter", one_off];
        let mut found = docker::lines(&[&args[..], &["--format", format]].concat()).await;
        found.sort();
        found.iter().map(|line| line.split(' ').next_back().unwrap().to_owned()).collect()
    }

    /// Every container that there is now.
    pub(crate) async fn all(&self) -> Vec<String> {
        docker::lines(&["ps", "-aq", "--filter", &self.label()]).await
    }

    fn label(&self) -> String {
        format!("label=com.docker.compose.project={}", self.name)
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let run = |args: &[&str]| {
            let output = Blocking::new("docker").args(args).output();
            let said = output.map(|output| [output.stdout, output.stderr].concat());
            String::from_utf8_lossy(&said.unwrap_or_default()).into_owned()
        };
        let label = self.label();
        let list = |of: &[&str]| {
            let listed = run(&[of, &["-q", "--filter", &label]].concat());
            listed.lines().map(ToOwned::to_owned).collect::<Vec<String>>()
        };
        let containers = list(&["ps", "-a"]);
        if std::thread::panicking() {
            eprintln!("{}", run(&["ps", "-a", "--filter", &label]));
            for container in &containers {
                let name = run(&["inspect", "-f", "{{.Name}} {{json .State}}", container]);
                eprintln!("==> {name}{}", run(&["logs", "--tail", "80", container]));
            }
        }
        for container in &containers {
            run(&["rm", "-fv", container]);
        }
        for network in list(&["network", "ls"]) {
            run(&["network", "rm", &network]);
        }
        for volume in list(&["volume", "ls"]) {
            run(&["volume", "rm", &volume]);
        }
    }
}
