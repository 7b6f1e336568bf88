use std::fmt;

use serde::Serialize;

/// What one column measured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TokenFigures {
    /// Tasks to be done.
    pub tasks: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Those among them that counted against their task.
    pub charged_attempts: u64,
    /// Tasks that another credential than the first served.
    pub fallbacks: u64,
    /// Calls with the token after it had expired, as the world counted them.
    pub calls_with_dead_token: u64,
    /// Tasks created because another failed.
    pub follow_ups: u64,
    /// Tasks among the first ones that were done in the end.
    pub tasks_completed: u64,
    /// Incidents that a person had to look at.
    pub incidents: u64,
    /// All calls, as the world counted them.
    pub calls: u64,
    /// What the world billed, in millionths of a dollar.
    pub billed_micro_usd: u64,
}

/// All three columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TokenComparison {
    pub with_key: TokenFigures,
    pub without_key: TokenFigures,
    pub naive: TokenFigures,
}

impl TokenFigures {
    fn lines(&self) -> [(&'static str, String); 10] {
        let dollars = domain::MicroUsd::new(self.billed_micro_usd).to_string();
        [
            ("tasks", self.tasks.to_string()),
            ("attempts that failed", self.failed.to_string()),
            ("charged to their task", self.charged_attempts.to_string()),
            ("served by the key instead", self.fallbacks.to_string()),
            ("calls with the dead token", self.calls_with_dead_token.to_string()),
            ("follow-up tasks", self.follow_ups.to_string()),
            ("tasks completed", self.tasks_completed.to_string()),
            ("incidents", self.incidents.to_string()),
            ("calls in all", self.calls.to_string()),
            ("billed", dollars),
        ]
    }
}

impl fmt::Display for TokenComparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:28} {:>12} {:>12} {:>12}", "", "with a key", "without", "naive loop")?;
        let columns = [&self.with_key, &self.without_key, &self.naive].map(TokenFigures::lines);
        let [with_key, without_key, naive] = columns;
        for (at, (name, with_key)) in with_key.iter().enumerate() {
            let (without_key, naive) = (&without_key[at].1, &naive[at].1);
            writeln!(f, "{name:28} {with_key:>12} {without_key:>12} {naive:>12}")?;
        }
        Ok(())
    }
}
