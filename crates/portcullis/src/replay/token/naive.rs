use std::{collections::VecDeque, path::Path, time::Duration};

use anyhow::{Context as _, ensure};
use kit::{Clock, Instant};
use serde_json::json;

use super::{MAX_TOKENS, MODEL, TokenExpiry, TokenFigures, counted, expire_after, issue, say};
use crate::up::{stage::sibling, world::World};

/// It worked one task at a time, and made 13 attempts until a person had refreshed the token.
const ATTEMPTS_UNTIL_REFRESHED: u32 = 13;
const PATIENCE: Duration = Duration::from_secs(3_600);

/// Runs the incident through the loop of March 2026, against a world of its own that is built
/// like the others.
pub(super) async fn run(incident: &TokenExpiry, dir: &Path) -> anyhow::Result<TokenFigures> {
    let settings = TokenExpiry::settings();
    let mut world = World::start(&sibling("sandbox")?, dir, None, &settings).await?;
    say("naive: the loop runs, and its token is about to expire");
    let measured = async {
        let token = issue(&world, "oauth", "bearer").await?;
        expire_after(&world, incident.served_before()).await?;
        let mut naive = Naive::new(incident, token)?;
        naive.run(incident, &world).await?;
        counted(&world, naive.figures).await
    };
    let measured = measured.await;
    world.stop().await;
    measured
}

/// The loop that failed: it asks with the one token that it has. An authentication error fails
/// its task at once, and a task is queued to follow each failed one up, which needs the same
/// token.
struct Naive {
    http: reqwest::Client,
    token: String,
    /// Tasks by what they are about: the first ones and those that follow them up.
    queue: VecDeque<u64>,
    /// Which of the first ones were done.
    done: Vec<bool>,
    figures: TokenFigures,
    failed_at: Option<Instant>,
}

impl Naive {
    fn new(incident: &TokenExpiry, token: String) -> anyhow::Result<Naive> {
        let tasks = u64::from(incident.tasks);
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build();
        Ok(Naive {
            http: http.context("make an HTTP client")?,
            token,
            queue: (0..tasks).collect(),
            done: vec![false; usize::try_from(tasks)?],
            figures: TokenFigures { tasks, ..TokenFigures::default() },
            failed_at: None,
        })
    }

    /// Works until its queue is empty; a person refreshes the token some time after it expired.
    async fn run(&mut self, incident: &TokenExpiry, world: &World) -> anyhow::Result<()> {
        let (begun, wait) = (Clock.instant(), incident.refreshed_after());
        let pace = wait / ATTEMPTS_UNTIL_REFRESHED;
        let mut refreshed = false;
        while let Some(about) = self.queue.pop_front() {
            ensure!(begun.elapsed() < PATIENCE, "the naive loop never ended");
            if !refreshed && self.failed_at.is_some_and(|at| wait <= at.elapsed()) {
                self.token = issue(world, "oauth", "bearer").await?;
                refreshed = true;
                say("naive: a person has refreshed the token");
            }
            let asked = Clock.instant();
            let answered = self.ask(world.url(), about).await?;
            if answered {
                self.done[usize::try_from(about)?] = true;
            } else {
                self.failed_at.get_or_insert(asked);
                self.figures.failed += 1;
                self.figures.charged_attempts += 1;
                self.figures.follow_ups += 1;
                self.queue.push_back(about);
                Clock.sleep(pace.saturating_sub(asked.elapsed())).await;
            }
        }
        let done = self.done.iter().filter(|done| **done).count();
        self.figures.tasks_completed = u64::try_from(done)?;
        Ok(())
    }

    async fn ask(&self, url: &str, about: u64) -> anyhow::Result<bool> {
        let asked = self.http.post(format!("{url}/v1/messages")).bearer_auth(&self.token);
        let asked = asked.header("anthropic-version", "2023-06-01");
        let asked = asked.header("anthropic-beta", "oauth-2025-04-20").json(&json!({
            "model": MODEL,
            "max_tokens": MAX_TOKENS,
            "messages": [{ "role": "user", "content": super::ours::prompt(about) }],
        }));
        let answer = asked.send().await.context("ask the world")?;
        Ok(answer.status().is_success())
    }
}
