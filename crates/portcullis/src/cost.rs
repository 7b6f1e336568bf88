//! `portcullis cost`: what attempts have cost, what failures wasted and what closed gates saved.
//!
//! All of it is summed from what was told, event by event, each counted once: so it reaches back
//! as far as events are kept. The sums are [`logic::costs`]'s.

mod incidents;
mod show;
mod told;
mod window;

pub(crate) use told::Move;

use bus::Bus;
use clap::{Args, ValueEnum};
use kit::Clock;
use logic::costs::By;

use crate::{
    args::BusArgs,
    exit::Ended,
    look::{self, Queues},
    out::Out,
    reach,
};

#[derive(Clone, Debug, Args)]
pub struct CostArgs {
    /// What was told since then, such as `12h` or `7d` ago [default: 7d]
    #[arg(long, value_name = "DURATION", conflicts_with_all = ["from", "to"])]
    pub since: Option<String>,

    /// From the beginning of this day (UTC), such as 2026-11-20
    #[arg(long, value_name = "DAY")]
    pub from: Option<String>,

    /// To the end of this day (UTC); until now if left out
    #[arg(long, value_name = "DAY", requires = "from")]
    pub to: Option<String>,

    /// By what to tell the sums apart
    #[arg(long, value_enum, default_value = "kind")]
    pub by: Dimension,

    /// At most so many rows
    #[arg(long, default_value_t = 50)]
    pub limit: usize,

    #[command(flatten)]
    pub bus: BusArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Dimension {
    Kind,
    /// Why it failed
    Cause,
    /// What it was made with
    Credential,
    /// UTC
    Day,
    Task,
}

impl Dimension {
    const fn by(self) -> By {
        match self {
            Dimension::Kind => By::Kind,
            Dimension::Cause => By::Cause,
            Dimension::Credential => By::Credential,
            Dimension::Day => By::Day,
            Dimension::Task => By::Task,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Dimension::Kind => "kind",
            Dimension::Cause => "cause",
            Dimension::Credential => "credential",
            Dimension::Day => "day",
            Dimension::Task => "task",
        }
    }
}

pub(crate) async fn run(args: &CostArgs) -> anyhow::Result<()> {
    let out = &Out::new(args.bus.json);
    let window = window::of(args, Clock.now()).map_err(Ended::usage)?;
    let bus: &Bus = &reach::bus(&args.bus.nats, "cost").await?;
    let config = look::config(bus).await?;
    let told = told::read(bus, window).await?;
    let kinds: Vec<_> = config.kinds.keys().cloned().collect();
    let queues = Queues::read(bus, &kinds).await;
    let incidents = incidents::of(&told, &config, &queues);
    let bill = show::Bill { args, window, told: &told, incidents };
    if out.json {
        out.object(&bill.object())?;
    } else {
        out.data(&bill.text(out))?;
        bill.remark(out);
    }
    Ok(())
}
