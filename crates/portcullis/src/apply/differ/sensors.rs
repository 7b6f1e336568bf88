use domain::{
    DirectoryConfig, HeaderConfig, HeaderValue, HttpConfig, ScheduleConfig, SensorConfig,
};

use super::list;
use crate::file::spell_duration;

/// Each setting of a sensor, as the file would address it.
pub(super) fn settings(sensor: &SensorConfig) -> Vec<(&'static str, String)> {
    match sensor {
        SensorConfig::Directory(directory) => of_directory(directory),
        SensorConfig::Http(http) => of_http(http),
        SensorConfig::Schedule(schedule) => of_schedule(schedule),
    }
}

fn of_directory(directory: &DirectoryConfig) -> Vec<(&'static str, String)> {
    vec![
        ("directory.kind", directory.kind.to_string()),
        ("directory.url", directory.url.clone()),
        ("directory.network", directory.network.clone()),
        ("directory.every", spell_duration(directory.every)),
        ("directory.cap_cycle", directory.cap_cycle.to_string()),
        ("directory.cap_day", directory.cap_day.to_string()),
        ("directory.exclude", list(&directory.exclude)),
        ("directory.purpose", directory.purpose.clone()),
        ("directory.message", format!("{:?}", directory.message)),
    ]
}

fn of_http(http: &HttpConfig) -> Vec<(&'static str, String)> {
    let headers: Vec<String> = http.headers.iter().map(header).collect();
    vec![
        ("http.kind", http.kind.to_string()),
        ("http.url", http.url.clone()),
        ("http.items", format!("{:?}", http.items)),
        ("http.next", http.next.clone().unwrap_or_else(|| "one page".to_owned())),
        ("http.key", http.key.to_string()),
        ("http.payload", http.payload.clone().unwrap_or_else(|| "the item".to_owned())),
        ("http.every", spell_duration(http.every)),
        ("http.cap_cycle", http.cap_cycle.to_string()),
        ("http.cap_day", http.cap_day.to_string()),
        ("http.headers", list(&headers)),
    ]
}

/// Where a value comes from, never a secret one.
fn header(header: &HeaderConfig) -> String {
    let HeaderConfig { name, prefix, value } = header;
    match value {
        HeaderValue::Plain(text) => format!("{name}: {prefix}{text}"),
        HeaderValue::File(path) => format!("{name}: {prefix}<file {path}>"),
        HeaderValue::Env(variable) => format!("{name}: {prefix}<env {variable}>"),
    }
}

fn of_schedule(schedule: &ScheduleConfig) -> Vec<(&'static str, String)> {
    let cap_day = match schedule.cap_day {
        u32::MAX => "no limit".to_owned(),
        cap => cap.to_string(),
    };
    vec![
        ("schedule.kind", schedule.kind.to_string()),
        ("schedule.cron", schedule.cron.clone()),
        ("schedule.zone", schedule.zone.clone()),
        ("schedule.key", schedule.key.to_string()),
        ("schedule.payload", schedule.payload.clone()),
        ("schedule.missed", schedule.missed.word().to_owned()),
        ("schedule.late", spell_duration(schedule.late)),
        ("schedule.held_max", schedule.held_max.to_string()),
        ("schedule.cap_day", cap_day),
    ]
}
