//! The sandbox answers as the real relay and the real inbox were recorded to answer.
//!
//! Each recording is one situation of the published services, request by request. The sandbox is
//! brought into that situation, on time that stands still but for the recorded pauses, and the
//! recorded requests are sent to it byte for byte. Status, headers, codes and fields must be those
//! of the recording; what is drawn at random (ids, times, transaction ids) must have its shape,
//! and be the same wherever it was the same.
//!
//! The recordings are not part of the project. `PORTCULLIS_TRANSCRIPTS` names their folder; where
//! it is not set there is nothing to compare with, and the test says so.
//!
//! | file | holds |
//! | --- | --- |
//! | `situations` | for each recording, how the sandbox gets into it |
//! | `differences` | where the sandbox knowingly differs, and why |
//! | `compare` | what counts as the same answer |
//! | `recording`, `stand_in` | the recordings; the sandbox as a process |

mod compare;
mod differences;
mod recording;
mod situations;
mod stand_in;

use std::{collections::BTreeSet, env, fmt::Write as _};

use compare::Compare;
use differences::{DIFFERENCES, UNREPRODUCED};
use recording::{Exchange, Recording};
use situations::{SITUATIONS, Situation};
use stand_in::StandIn;

/// The variable that names the folder of recordings.
const FOLDER: &str = "PORTCULLIS_TRANSCRIPTS";

/// Every recorded answer is the sandbox's answer too, apart from the listed differences; each of
/// those still exists, and each recording has its situation. (Defends what every other test here
/// stands on: that the double hurts where the real services do.)
#[tokio::test(flavor = "multi_thread")]
async fn the_sandbox_answers_as_recorded() {
    let Ok(folder) = env::var(FOLDER) else {
        eprintln!("{FOLDER} is not set: there are no recordings to compare the sandbox with");
        return;
    };
    let recordings = recording::read(&folder);
    assert!(!recordings.is_empty(), "{FOLDER}={folder}: no recordings there");
    let mut verdict = Verdict::default();
    for recording in &recordings {
        judge(recording, &mut verdict).await;
    }
    verdict.stale_entries();
    eprintln!(
        "{} recordings, {} of {} answers compared, {} listed differences",
        recordings.len(),
        verdict.compared,
        verdict.compared + verdict.skipped,
        verdict.listed.len(),
    );
    assert!(verdict.complaints.is_empty(), "the sandbox differs:\n{}", verdict.complaints);
}

#[derive(Default)]
struct Verdict {
    complaints: String,
    compared: usize,
    skipped: usize,
    /// Which entries of the two lists were found to hold.
    listed: BTreeSet<usize>,
    unreproduced: BTreeSet<usize>,
}

async fn judge(recording: &Recording, verdict: &mut Verdict) {
    let wanted: Vec<bool> =
        recording.exchanges.iter().map(|exchange| verdict.wants(recording, exchange)).collect();
    if !wanted.contains(&true) {
        return;
    }
    let Some(situation) = SITUATIONS.iter().find(|known| known.recording == recording.name) else {
        verdict.complain(&recording.name, "", "no rule says how to get into this situation");
        return;
    };
    let stand_in = StandIn::start(situation).await;
    let mut compare = Compare::default();
    for (index, exchange) in recording.exchanges.iter().enumerate() {
        prepare(&stand_in, situation, index, exchange).await;
        if !wanted[index] {
            continue;
        }
        let ours = stand_in.replay(exchange, &compare).await;
        verdict.compared += 1;
        for found in compare.answers(&exchange.answer, &ours) {
            verdict.weigh(recording, exchange, &found);
        }
    }
}

/// What happened in the world before this exchange, and how much time passed.
async fn prepare(stand_in: &StandIn, situation: &Situation, index: usize, exchange: &Exchange) {
    stand_in.until(exchange.at_ms).await;
    for (before, path, body) in situation.before {
        if *before == index {
            stand_in.control(path, body, exchange.sender.as_deref()).await;
        }
    }
}

impl Verdict {
    fn wants(&mut self, recording: &Recording, exchange: &Exchange) -> bool {
        let listed = UNREPRODUCED.iter().position(|entry| entry.covers(recording, exchange));
        let Some(entry) = listed else { return true };
        self.unreproduced.insert(entry);
        self.skipped += 1;
        false
    }

    fn weigh(&mut self, recording: &Recording, exchange: &Exchange, found: &compare::Found) {
        let known = DIFFERENCES
            .iter()
            .position(|entry| entry.covers(&recording.name, &exchange.name, &found.at));
        match known {
            Some(entry) => drop(self.listed.insert(entry)),
            None => self.complain(&recording.name, &exchange.name, &found.to_string()),
        }
    }

    /// An entry that covers nothing any more has to go.
    fn stale_entries(&mut self) {
        for (index, entry) in DIFFERENCES.iter().enumerate() {
            if !self.listed.contains(&index) {
                let what = format!("listed as a difference, and is none any more: {entry:?}");
                self.complain("", "", &what);
            }
        }
        for (index, entry) in UNREPRODUCED.iter().enumerate() {
            if !self.unreproduced.contains(&index) {
                let what = format!("listed as not reproduced, and not recorded: {entry:?}");
                self.complain("", "", &what);
            }
        }
    }

    fn complain(&mut self, recording: &str, exchange: &str, what: &str) {
        writeln!(self.complaints, "{recording} > {exchange} > {what}").unwrap();
    }
}
