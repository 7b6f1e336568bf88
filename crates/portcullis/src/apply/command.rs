//! The command: the file in, the lines out.

use std::fmt::Write as _;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{Applied, Difference, Mark, Wish, bring_about};
use crate::{args::ApplyArgs, exit::Ended, file, out::Out, reach, show};

/// One difference stays on one line of a terminal.
const WIDTH: usize = 100;

pub(crate) async fn run(args: &ApplyArgs, out: &Out) -> anyhow::Result<()> {
    let by = args.person.name()?;
    let path = args.file.display().to_string();
    let text = std::fs::read_to_string(&args.file)
        .map_err(|error| Ended::usage(format!("read {path}: {error}; name the file with -f")))?;
    let (config, warnings) = file::load(&path, &text).map_err(|problems| told(&problems))?;
    for warning in &warnings {
        out.talk(&warning.to_string());
    }
    let bus = reach::bus(&args.bus.nats, "apply").await?;
    let wish = Wish {
        config,
        by: by.clone(),
        note: args.note.trim().to_owned(),
        replicas: args.replicas.map(usize::from),
        dry_run: args.dry_run,
    };
    let applied = bring_about(&bus, &wish).await.with_context(|| format!("apply {path}"))?;
    bus.flush().await;
    if out.json {
        let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        out.object(&object(&applied, &wish, &warnings))?;
    } else {
        out.data(&lines(&applied, &wish))?;
    }
    Ok(())
}

fn told(problems: &[file::Problem]) -> Ended {
    let mut text = match problems.len() {
        1 => "the configuration has a problem, nothing was applied".to_owned(),
        count => format!("the configuration has {count} problems, nothing was applied"),
    };
    for problem in problems {
        let _ = write!(text, "\n{problem}");
    }
    Ended::usage(text)
}

fn lines(applied: &Applied, wish: &Wish) -> String {
    let mut text = String::new();
    let width = applied.lines.iter().map(|line| line.what.len()).max().unwrap_or(0);
    for line in &applied.lines {
        let (sign, what) = (line.mark.sign(), &line.what);
        let row = format!("{sign} {what:width$}  {}", line.more);
        let _ = writeln!(text, "{}", row.trim_end());
    }
    for difference in told_of(applied) {
        let _ = writeln!(text, "{}", show::line(&difference, WIDTH));
    }
    let version = applied.version;
    let end = match (applied.changed(), wish.dry_run) {
        (_, true) if version == 0 => "dry run: nothing was applied; nothing is in force yet".into(),
        (true, true) => {
            format!("dry run: nothing was applied; configuration {version} is in force")
        }
        (false, _) => format!("nothing to change: configuration {version} is in force"),
        (true, false) if applied.differences.is_empty() => {
            format!("configuration {version} is in force as before")
        }
        (true, false) => format!("configuration {version} is in force, applied by {}", wish.by),
    };
    text.push_str(&end);
    text
}

/// What a person wants to read: each setting that differs, but of a table that came or went
/// as a whole only its name.
fn told_of(applied: &Applied) -> Vec<String> {
    // Each table always has one of these, so that their coming is the table's coming.
    const ALWAYS: &[&str] = &["about", "attempts", "directory.kind", "network"];
    let table = |path: &str| {
        let words: Vec<&str> = path.split('.').collect();
        words[..if words[0] == "payer" { 1 } else { 2 }].join(".")
    };
    let always = |it: &&Difference| {
        let rest = it.path.strip_prefix(&table(&it.path)).unwrap_or_default();
        ALWAYS.contains(&rest.trim_start_matches('.'))
    };
    let came = |it: &Difference| it.from.is_none() || it.to.is_none();
    let whole: Vec<String> = applied
        .differences
        .iter()
        .filter(always)
        .filter(|it| came(it))
        .map(|it| format!("{} {}", if it.from.is_none() { '+' } else { '-' }, table(&it.path)))
        .collect();
    let within = |it: &&Difference| !whole.iter().any(|whole| whole[2..] == table(&it.path));
    let single = applied.differences.iter().filter(within).map(Difference::line);
    whole.iter().cloned().chain(single).collect()
}

fn object(applied: &Applied, wish: &Wish, warnings: &[String]) -> Value {
    let line = |line: &super::Line| json!({ "mark": line.mark.word(), "what": line.what, "more": line.more });
    let difference = |it: &Difference| json!({ "path": it.path, "from": it.from, "to": it.to });
    json!({
        "version": applied.version,
        "changed": applied.changed(),
        "dry_run": wish.dry_run,
        "by": wish.by,
        "note": wish.note,
        "created": applied.lines.iter().filter(|line| line.mark == Mark::Created).count(),
        "lines": applied.lines.iter().map(line).collect::<Vec<_>>(),
        "differences": applied.differences.iter().map(difference).collect::<Vec<_>>(),
        "warnings": warnings,
    })
}
