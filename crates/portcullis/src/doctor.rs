//! `portcullis doctor`: everything that can be set up wrongly, line by line.
//!
//! It asks and changes nothing: no message is written, nothing is posted. Where a credential comes
//! from a command, that is run, as each dispatcher would. What was found out is
//! judged by pure functions, one module a matter, and every line that is not OK names its
//! remedy. Without NATS it still looks at the outside, if a file says where that is.
//!
//! * `broker`: NATS, its streams, its disk, its clock; `alive`: services and gates;
//! * `outside`: directory, inbox, relay, chain; `wallet`: key, balance, nonces, spending;
//! * `list`: lists over HTTP; `provider`: credentials; `command`: what this host can run;
//! * `ask`: finds out; `show`: how it looks.

mod alive;
mod answer;
mod ask;
mod broker;
mod check;
mod command;
mod list;
mod outside;
mod provider;
mod show;
mod wallet;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use welcome_payer::WalletArgs;

use crate::{
    args::BusArgs,
    exit::{Code, Ended},
    out::Out,
};
use check::{Area, Verdict};

#[derive(Clone, Debug, Args)]
pub struct DoctorArgs {
    /// Go by this file instead of the configuration in force
    ///
    /// With it the outside is looked at before anything was ever applied, and without NATS.
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,

    /// Monitoring ports of the NATS servers, separated by commas: only they tell how a server
    /// writes to its disk, e.g. http://127.0.0.1:8222
    #[arg(long, value_name = "URL", env = "NATS_MONITOR", value_delimiter = ',')]
    pub nats_monitor: Vec<String>,

    #[command(flatten)]
    pub wallet: WalletArgs,

    #[command(flatten)]
    pub bus: BusArgs,
}

/// What the whole list came to.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) areas: Vec<Area>,
    /// Whether NATS answered at all.
    pub(crate) nats: bool,
    /// Which configuration it went by.
    pub(crate) by: String,
}

impl Report {
    fn count(&self, verdict: Verdict) -> usize {
        let checks = self.areas.iter().flat_map(|area| &area.checks);
        checks.filter(|check| check.verdict == verdict).count()
    }
}

/// # Errors
///
/// When something failed (1), the file is wrong (2), or NATS does not answer (4); all that
/// could be looked at was printed before.
pub(crate) async fn run(args: &DoctorArgs) -> anyhow::Result<()> {
    let out = Out::new(args.bus.json);
    let report = Box::pin(ask::everything(args, &out)).await?;
    if out.json {
        out.object(&show::object(&report))?;
    } else {
        out.data(&show::text(&report, &out)).context("write to stdout")?;
    }
    let failed = report.count(Verdict::Fail);
    if !report.nats {
        let text = "NATS does not answer: whatever rests on it was not asked";
        return Err(Ended::new(Code::Bus, text).into());
    }
    match failed {
        0 => Ok(()),
        1 => Err(Ended::new(Code::Failed, "one check failed").into()),
        count => Err(Ended::new(Code::Failed, format!("{count} checks failed")).into()),
    }
}
