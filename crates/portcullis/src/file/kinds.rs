use std::{collections::BTreeMap, time::Duration};

use domain::{GateName, Handler, Kind, KindConfig, OnUnknown, WhileClosed};

use super::{
    handlers::handler,
    notes::Notes,
    queueing,
    section::{Section, Span, Word},
    value::spell_duration,
};

/// A kind of the file.
pub(super) struct KindRead {
    pub(super) needs: Vec<Word<GateName>>,
    pub(super) span: Span,
    /// `None` if its handler could not be read.
    pub(super) config: Option<KindConfig>,
}

const SECOND: Duration = Duration::from_secs(1);
/// A busy host stalls for less than a third of it.
const EXEC_LEASE_LEAST: Duration = Duration::from_secs(15);
const EXEC_LEASE_WHY: &str = " for a command, which is killed once its dispatcher is silent for a \
                              third of that, and a busy host may stall for some seconds";

pub(super) fn read(root: &mut Section<'_>, notes: &mut Notes<'_>) -> BTreeMap<Kind, KindRead> {
    let mut kinds = BTreeMap::new();
    for (name, mut section) in root.named("kinds", notes) {
        let kind = kind(&mut section, notes);
        section.finish(notes);
        // One prefix and the longest kind must still make a name of a gate.
        let parsed = name.value.parse::<Kind>().map_err(|error| error.to_string());
        let gate = format!("kind-{}", name.value).parse::<GateName>();
        match parsed {
            Ok(_) if gate.is_err() => notes
                .problem(&name.span, format!("kind `{}` is too long; take 43 bytes", name.value)),
            Ok(parsed) => {
                kinds.insert(parsed, kind);
            }
            Err(error) => notes.problem(&name.span, format!("[kinds.{}]: {error}", name.value)),
        }
    }
    if kinds.is_empty() && !notes.any_problem() {
        notes.problem(&(0..0), "no kind of work is configured; add a table [kinds.<name>]");
    }
    kinds
}

fn kind(section: &mut Section<'_>, notes: &mut Notes<'_>) -> KindRead {
    let handler = handler(section, notes);
    let needs = needs(section, notes);
    let rest = section.duration("rest", SECOND * 30, Duration::from_millis(1), notes);
    let rest_max = section.duration("rest_max", (SECOND * 900).max(rest), SECOND / 1000, notes);
    if rest_max < rest {
        let text = format!(
            "`rest_max`{} is \"{}\", less than `rest` with \"{}\"; make it at least as long",
            section.within(),
            spell_duration(rest_max),
            spell_duration(rest)
        );
        notes.problem(&section.span, text);
    }
    let attempts = section.number("attempts", 1, "the task would be dead at once", notes);
    let concurrency =
        section.number("concurrency", 1, "nothing would run; leave it out for no limit", notes);
    let least = match handler {
        Some(Handler::Exec(_)) => (EXEC_LEASE_LEAST, EXEC_LEASE_WHY),
        _ => (SECOND, ""),
    };
    let lease = section.duration_since("lease", SECOND * 30, least, notes);
    let timeout = section.duration("timeout", SECOND * 60, SECOND, notes);
    let (priority, retries) = queueing::read(section, notes);
    let free = "leave it out for a kind that costs no dollars";
    let cost_max = section.dollars("cost_max", free, notes);
    let while_closed = section.choice("while_closed", &WhileClosed::ALL, WhileClosed::word, notes);
    let unknown = handler.as_ref().map(|handler| on_unknown(handler, section, notes));
    let config = handler.zip(unknown).map(|(handler, on_unknown)| KindConfig {
        on_unknown,
        handler,
        needs: needs.iter().map(|need| need.value.clone()).collect(),
        attempts_max: attempts.unwrap_or(5),
        rest,
        rest_max,
        concurrency,
        lease,
        timeout,
        priority,
        retries,
        cost_max,
        while_closed: while_closed.unwrap_or_default(),
    });
    KindRead { needs, span: section.span.clone(), config }
}

fn on_unknown(handler: &Handler, section: &mut Section<'_>, notes: &mut Notes<'_>) -> OnUnknown {
    let otherwise = OnUnknown::of(handler);
    let Some(word) = section.text("on_unknown", notes) else { return otherwise };
    let Some(read) = section.parse::<OnUnknown>("on_unknown", &word, notes) else {
        return otherwise;
    };
    let service = matches!(handler, Handler::Service { .. } | Handler::JsonService { .. });
    if read.value == OnUnknown::Resolve && !service {
        let text = format!(
            "`on_unknown = \"resolve\"`{} is for services, which can be asked what they did; \
             write \"ask\", or \"rerun\" if doing it twice is harmless",
            section.within()
        );
        notes.problem(&read.span, text);
    }
    read.value
}

fn needs(section: &mut Section<'_>, notes: &mut Notes<'_>) -> Vec<Word<GateName>> {
    let mut needs: Vec<Word<GateName>> = Vec::new();
    for word in section.texts("needs", notes) {
        let Some(need) = section.parse::<GateName>("needs", &word, notes) else { continue };
        if needs.iter().any(|other| other.value == need.value) {
            let text = format!("gate `{}` stands twice in `needs`; keep one", need.value);
            notes.problem(&need.span, text);
            continue;
        }
        needs.push(need);
    }
    needs
}
