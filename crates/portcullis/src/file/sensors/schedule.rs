use std::time::Duration;

use calendar::{Calendar, CalendarError};
use domain::{Kind, Missed, ScheduleConfig, SensorConfig, Template, Timestamp};

use super::{SensorRead, payload};
use crate::file::{notes::Notes, section::Section};

/// What a firing's templates may name.
const FIELDS: [&str; 3] = ["time", "date", "sensor"];
/// The record of a schedule holds them all in one message.
const HELD_MAX: u32 = 1_000;
/// So many firings show whether two of one day have one key.
const LOOKED_AT: usize = 100;
/// The first day of 2026: any day would do.
const FROM: Timestamp = Timestamp::from_millis(1_767_225_600_000);

pub(super) fn read(mut section: Section<'_>, notes: &mut Notes<'_>) -> SensorRead {
    let section = &mut section;
    let kind = section.required("kind", "\"nightly\"", notes);
    let kind = kind.and_then(|word| section.parse::<Kind>("kind", &word, notes));
    let calendar = calendar(section, notes);
    let key = key(section, calendar.as_ref().map(|(calendar, ..)| calendar), notes);
    let payload = payload(section, |field| FIELDS.contains(&field), notes);
    let missed = section.choice("missed", &Missed::ALL, Missed::word, notes);
    let late = section.duration("late", Duration::from_secs(60), Duration::from_millis(100), notes);
    let held_max = held_max(section, notes);
    let none = "the sensor would never create anything; remove the sensor instead";
    let cap_day = section.number("cap_day", 1, none, notes);
    section.finish(notes);
    let config = match (&kind, calendar, key) {
        (Some(kind), Some((_, cron, zone)), Some(key)) => {
            Some(SensorConfig::Schedule(ScheduleConfig {
                kind: kind.value.clone(),
                cron,
                zone,
                key,
                payload: payload.unwrap_or_else(|| "{}".to_owned()),
                missed: missed.unwrap_or_default(),
                late,
                held_max,
                cap_day: cap_day.unwrap_or(u32::MAX),
            }))
        }
        _ => None,
    };
    SensorRead { kind, network: None, config }
}

fn calendar(
    section: &mut Section<'_>,
    notes: &mut Notes<'_>,
) -> Option<(Calendar, String, String)> {
    let cron = section.required("cron", "\"0 3 * * *\"", notes);
    let zone = section.text("zone", notes);
    let cron = cron?;
    let name = zone.as_ref().map_or("UTC", |word| word.value);
    match Calendar::new(cron.value, name) {
        Ok(calendar) => Some((calendar, cron.value.to_owned(), name.to_owned())),
        Err(error) => {
            let of_zone = matches!(error, CalendarError::Zone { .. });
            let word = zone.filter(|_| of_zone).unwrap_or(cron);
            let key = if of_zone { "zone" } else { "cron" };
            notes.problem(&word.span, format!("`{key}`{}: {error}", section.within()));
            None
        }
    }
}

fn key(
    section: &mut Section<'_>,
    calendar: Option<&Calendar>,
    notes: &mut Notes<'_>,
) -> Option<Template> {
    let Some(word) = section.text("key", notes) else { return "{sensor}/{time}".parse().ok() };
    let key = section.parse::<Template>("key", &word, notes)?.value;
    let text = format!("`key = {:?}`{}", word.value, section.within());
    if let Some(unknown) = key.fields().find(|field| !FIELDS.contains(field)) {
        let known = "{time}, {date} and {sensor}";
        notes.problem(&word.span, format!("{text} names `{unknown}`; a firing has {known}"));
        return None;
    }
    if !key.fields().any(|field| field != "sensor") {
        let why = "is the same for all firings, so there would be one task for ever";
        notes.problem(&word.span, format!("{text} {why}; put {{time}} or {{date}} into it"));
        return None;
    }
    if key.runs_together() {
        let why = "has fields that could run into one another; put a '/' between them";
        notes.problem(&word.span, format!("{text} {why}"));
    }
    let timed = key.fields().any(|field| field == "time");
    if !timed && calendar.is_some_and(several_a_day) {
        let why = "has the date alone, and it fires more than once a day: of one day's firings";
        let warning = format!("{text} {why}, only the first makes a task; use {{time}} for each");
        notes.warning(&word.span, warning);
    }
    Some(key)
}

fn several_a_day(calendar: &Calendar) -> bool {
    let firings = std::iter::successors(calendar.next(FROM), |at| calendar.next(*at));
    let days: Vec<String> = firings.take(LOOKED_AT).map(|at| calendar.date(at)).collect();
    days.windows(2).any(|pair| pair[0] == pair[1])
}

fn held_max(section: &mut Section<'_>, notes: &mut Notes<'_>) -> u32 {
    let none = "nothing would ever be created; use missed and while_closed";
    let held_max = section.number("held_max", 1, none, notes).unwrap_or(100);
    if HELD_MAX < held_max {
        let text = format!("`held_max = {held_max}`{} is too many", section.within());
        notes.problem(&section.span, format!("{text}; write at most {HELD_MAX}"));
    }
    held_max
}
