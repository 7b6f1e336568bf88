use domain::{
    Admission, Cause, Cost, Created, GateName, Key, Kind, Phase, RuleBlame, TaskState, Timestamp,
    event_id,
};

/// What is to be told about one attempt, or about a task's end.
///
/// Telling it twice is harmless: [`Report::event_id`] is a function of kind, task, attempt and verb.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub attempt: u32,
    /// Under which gates the attempt was admitted. Told again from the chain it is the same:
    /// so a failure that was counted already is known as such, in the incident it belongs to.
    pub admitted: Vec<Admission>,
    /// The probing gates for which it was the canary.
    pub canary: Vec<GateName>,
    /// When the attempt was begun; told again from the chain, nobody knows any more.
    pub begun: Option<Timestamp>,
    /// Who created the task, and when, where whoever tells has it at hand.
    pub created: Option<Created>,
    pub told: Told,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// `cost` is that of this attempt.
    Completed {
        effect: String,
        cost: Cost,
    },
    /// `gate` is the one it is shared through.
    Failed {
        cause: Cause,
        evidence: String,
        charged: bool,
        gate: Option<GateName>,
        cost: Cost,
    },
    /// The budget of attempts is spent; told beside the last failure.
    Dead {
        cause: Cause,
    },
    /// It may have worked.
    Unknown {
        cause: Cause,
        evidence: String,
        cost: Cost,
    },
    /// Nothing was tried. Not a failure.
    Held {
        gate: Option<GateName>,
        why: String,
    },
    Withdrawn {
        by: String,
        why: String,
    },
    /// A person put it back.
    Revived {
        by: String,
        note: String,
    },
    /// It may not run. Alarmed.
    Parked {
        cause: Cause,
        evidence: String,
    },
}

impl Report {
    /// About the newest attempt of `state`.
    pub(super) fn of(state: &TaskState, told: Told) -> Self {
        let (admitted, canary) = (state.admitted.clone(), state.canary.clone());
        let begun = match &state.phase {
            Phase::Claimed(claim) => Some(claim.begun),
            _ => None,
        };
        Report { attempt: state.attempt, admitted, canary, begun, created: None, told }
    }

    /// About no attempt that was admitted.
    pub(super) fn bare(attempt: u32, told: Told) -> Self {
        Report {
            attempt,
            admitted: Vec::new(),
            canary: Vec::new(),
            begun: None,
            created: None,
            told,
        }
    }

    /// The last part of the event's id and name.
    pub const fn verb(&self) -> &'static str {
        match self.told {
            Told::Completed { .. } => "completed",
            Told::Failed { .. } => "failed",
            Told::Dead { .. } => "dead",
            Told::Unknown { .. } => "unknown",
            Told::Held { .. } => "held",
            Told::Withdrawn { .. } => "withdrawn",
            Told::Revived { .. } => "revived",
            Told::Parked { .. } => "parked",
        }
    }

    /// By which a repeated telling counts once, see [`event_id`].
    pub fn event_id(&self, kind: &Kind, key: Key) -> String {
        event_id(kind, key, self.attempt, self.verb())
    }
}

/// What the newest link of a chain owes the world, in case whoever wrote it vanished before
/// telling. What rests uncharged or was held owes nothing: no gate moves for it. What is parked for
/// a person may have failed for something that others share, and is not tried again to tell.
pub fn owed(state: &TaskState) -> Vec<Report> {
    let told = match &state.phase {
        Phase::Completed { effect } => {
            vec![Told::Completed { effect: effect.clone(), cost: state.newest }]
        }
        Phase::Dead { cause } => {
            vec![failed_again(state, cause, true, None), Told::Dead { cause: cause.clone() }]
        }
        Phase::Withdrawn { by, why } => {
            vec![Told::Withdrawn { by: by.clone(), why: why.clone() }]
        }
        Phase::Parked { cause, evidence } => {
            let parked = Told::Parked { cause: cause.clone(), evidence: evidence.clone() };
            let failed = state.asks().then(|| unknown_again(state, cause, evidence));
            failed.into_iter().chain([parked]).collect()
        }
        Phase::Resting { cause, charged: true, .. } => vec![failed_again(state, cause, true, None)],
        Phase::Returned { gate: Some(gate), cause: Some(cause), .. } => {
            vec![failed_again(state, cause, false, Some(gate.clone()))]
        }
        Phase::Resting { .. }
        | Phase::Returned { .. }
        | Phase::Claimed(_)
        | Phase::Revived { .. } => Vec::new(),
    };
    told.into_iter().map(|told| Report::of(state, told)).collect()
}

fn failed_again(state: &TaskState, cause: &Cause, charged: bool, gate: Option<GateName>) -> Told {
    let evidence = "told again from the chain of the task".to_owned();
    Told::Failed { cause: cause.clone(), evidence, charged, gate, cost: state.newest }
}

/// The failure of an attempt that nobody knows the end of. Of the gate it is shared through the
/// chain knows only what the rule set says; gatekeepers go by the cause.
fn unknown_again(state: &TaskState, cause: &Cause, evidence: &str) -> Told {
    let gate = match cause.rule().map(|rule| rule.blame) {
        Some(RuleBlame::Shared { gate, .. }) => gate.parse().ok(),
        Some(RuleBlame::OfKind { .. }) => Some(GateName::of_kind(&state.kind)),
        Some(RuleBlame::Provider { .. } | RuleBlame::Own | RuleBlame::Nobody) | None => None,
    };
    let passed = |gate: &GateName| state.admitted.iter().any(|at| at.gate == *gate);
    let (cause, evidence, cost) = (cause.clone(), evidence.to_owned(), state.newest);
    match gate.filter(passed) {
        gate @ Some(_) => Told::Failed { cause, evidence, charged: false, gate, cost },
        None => Told::Unknown { cause, evidence, cost },
    }
}
