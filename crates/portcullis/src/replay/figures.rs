use std::fmt;

use serde::Serialize;

/// What one column measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Agents to be welcomed.
    pub agents: u64,
    /// Attempts that ended, completed or failed.
    pub attempts_total: u64,
    /// Those that ended while the nonce was stuck.
    pub attempts_while_stuck: u64,
    /// Payments posted after the closing (without a gate: after the first failure) and before
    /// the relay was cleared, as the world counted them.
    pub attempts_after_close: u64,
    /// Tasks created in that time.
    pub tasks_created_while_closed: u64,
    /// Tasks created because another failed.
    pub follow_ups: u64,
    /// Agents paid at least once, by the world's ledger.
    pub welcomed: u64,
    /// Agents paid more than once, by the world's ledger.
    pub paid_twice: u64,
    /// The most payments under way at once, as the world counted them.
    pub drain_peak_in_flight: u64,
    /// From the failure to the last dispatcher holding; nothing where nothing holds.
    pub seconds_to_close: Option<f64>,
    /// Incidents that a person had to look at.
    pub incidents: u64,
    /// Posts that carried a payment, as the world counted them.
    pub paid_posts: u64,
}

/// Both columns.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    pub portcullis: Figures,
    pub naive: Figures,
}

impl Figures {
    fn lines(&self) -> [(&'static str, String); 12] {
        let seconds = self.seconds_to_close;
        [
            ("agents to welcome", self.agents.to_string()),
            ("attempts in all", self.attempts_total.to_string()),
            ("attempts while stuck", self.attempts_while_stuck.to_string()),
            ("payments sent after the closing", self.attempts_after_close.to_string()),
            ("tasks created while closed", self.tasks_created_while_closed.to_string()),
            ("follow-up tasks", self.follow_ups.to_string()),
            ("agents welcomed", self.welcomed.to_string()),
            ("agents paid twice", self.paid_twice.to_string()),
            ("most payments at once", self.drain_peak_in_flight.to_string()),
            ("seconds to close", seconds.map_or("never".to_owned(), |s| format!("{s:.3}"))),
            ("incidents", self.incidents.to_string()),
            ("payments posted in all", self.paid_posts.to_string()),
        ]
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:32} {:>12} {:>12}", "", "Portcullis", "naive loop")?;
        for ((name, ours), (_, naive)) in self.portcullis.lines().iter().zip(self.naive.lines()) {
            writeln!(f, "{name:32} {ours:>12} {naive:>12}")?;
        }
        Ok(())
    }
}
