//! `portcullis payment try`: what paying one agent would sign, without sending it.

use anyhow::Context as _;
use clap::Args;
use welcome_payer::{
    WalletArgs,
    rehearse::{self, Found, Rehearsal, RehearseError},
};

use crate::{
    args::BusArgs,
    exit::{Code, Ended},
    file, look,
    out::Out,
    reach,
};

#[derive(Clone, Debug, Args)]
pub struct TryArgs {
    /// The agent's Stacks address
    #[arg(value_name = "ADDRESS")]
    pub address: String,

    /// Go by this file instead of the configuration in force; NATS is not asked then, and so
    /// neither are record and gates
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<std::path::PathBuf>,

    #[command(flatten)]
    pub wallet: WalletArgs,

    #[command(flatten)]
    pub bus: BusArgs,
}

/// # Errors
///
/// What speaks against the payment, with the number for it.
pub(crate) async fn run(args: &TryArgs) -> anyhow::Result<()> {
    let out = Out::new(args.bus.json);
    let key = args.wallet.key().map_err(|error| Ended::usage(format!("{error:#}")))?;
    let (config, bus) = match &args.file {
        Some(path) => (file::read(path, &out)?.0, None),
        None => {
            let bus = reach::bus(&args.bus.nats, "payment try").await?;
            (look::config(&bus).await?, Some(bus))
        }
    };
    let rehearsed = rehearse::rehearse(&config, &key, bus.as_ref(), &args.address);
    let rehearsal = Box::pin(rehearsed).await.map_err(ended)?;
    match out.json {
        true => out.object(&rehearse::object(&rehearsal))?,
        false => out.data(&rehearse::text(&rehearsal)).context("write to stdout")?,
    }
    against(&rehearsal)
}

fn ended(error: RehearseError) -> Ended {
    let code = match error {
        RehearseError::Usage(_) => Code::Usage,
        RehearseError::Unreachable(_) => Code::Bus,
    };
    Ended::new(code, error.to_string())
}

/// The first thing that speaks against the payment.
fn against(rehearsal: &Rehearsal) -> anyhow::Result<()> {
    let first = rehearsal.looked.iter().find_map(|looked| {
        let code = match looked.found {
            Found::Fine | Found::NotAsked => return None,
            Found::Refused => Code::Refused,
            Found::Silent => Code::Bus,
            Found::Unknown => Code::NotFound,
        };
        Some(Ended::new(code, format!("would not be paid: {}: {}", looked.what, looked.said)))
    });
    match first {
        Some(ended) => Err(ended.into()),
        None => Ok(()),
    }
}
