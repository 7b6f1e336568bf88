use std::time::Duration;

use domain::{
    DirectoryConfig, Fate, Firings, HeaderConfig, HeaderValue, HttpConfig, Missed, Owed,
    ScheduleConfig, SensorConfig, SensorName, Unfired, WhileClosed,
};

use super::{DecodeError, Wire, at, millis, parse, required};
use crate::proto::{self, header, sensor_config::Sensor};

pub(super) fn sensor_to(name: &SensorName, config: &SensorConfig) -> proto::SensorConfig {
    let sensor = match config {
        SensorConfig::Directory(directory) => Sensor::Directory(directory_to(directory)),
        SensorConfig::Http(http) => Sensor::Http(http_to(http)),
        SensorConfig::Schedule(schedule) => Sensor::Schedule(schedule_to(schedule)),
    };
    proto::SensorConfig { name: name.to_string(), sensor: Some(sensor) }
}

pub(super) fn sensor_of(
    sensor: proto::SensorConfig,
) -> Result<(SensorName, SensorConfig), DecodeError> {
    let config = match required("sensors.sensor", sensor.sensor)? {
        Sensor::Directory(directory) => SensorConfig::Directory(directory_of(directory)?),
        Sensor::Http(http) => SensorConfig::Http(http_of(http)?),
        Sensor::Schedule(schedule) => SensorConfig::Schedule(schedule_of(schedule)?),
    };
    Ok((parse("sensors.name", &sensor.name)?, config))
}

fn directory_to(directory: &DirectoryConfig) -> proto::DirectorySensor {
    proto::DirectorySensor {
        kind: directory.kind.to_string(),
        url: directory.url.clone(),
        network: directory.network.clone(),
        every_ms: millis(directory.every),
        cap_cycle: directory.cap_cycle,
        cap_day: directory.cap_day,
        exclude: directory.exclude.clone(),
        purpose: directory.purpose.clone(),
        message: directory.message.clone(),
    }
}

fn directory_of(directory: proto::DirectorySensor) -> Result<DirectoryConfig, DecodeError> {
    Ok(DirectoryConfig {
        kind: parse("sensors.kind", &directory.kind)?,
        url: directory.url,
        network: directory.network,
        every: Duration::from_millis(directory.every_ms),
        cap_cycle: directory.cap_cycle,
        cap_day: directory.cap_day,
        exclude: directory.exclude,
        purpose: directory.purpose,
        message: directory.message,
    })
}

fn http_to(http: &HttpConfig) -> proto::HttpSensor {
    proto::HttpSensor {
        kind: http.kind.to_string(),
        url: http.url.clone(),
        items: http.items.clone(),
        next: http.next.clone().unwrap_or_default(),
        key: http.key.to_string(),
        payload: http.payload.clone().unwrap_or_default(),
        every_ms: millis(http.every),
        cap_cycle: http.cap_cycle,
        cap_day: http.cap_day,
        headers: http.headers.iter().map(header_to).collect(),
    }
}

fn http_of(http: proto::HttpSensor) -> Result<HttpConfig, DecodeError> {
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    Ok(HttpConfig {
        kind: parse("sensors.kind", &http.kind)?,
        url: http.url,
        items: http.items,
        next: some(http.next),
        key: parse("sensors.key", &http.key)?,
        payload: some(http.payload),
        every: Duration::from_millis(http.every_ms),
        cap_cycle: http.cap_cycle,
        cap_day: http.cap_day,
        headers: http.headers.into_iter().map(header_of).collect::<Result<_, _>>()?,
    })
}

fn header_to(header: &HeaderConfig) -> proto::Header {
    let value = match header.value.clone() {
        HeaderValue::Plain(text) => header::Value::Plain(text),
        HeaderValue::File(path) => header::Value::File(path),
        HeaderValue::Env(variable) => header::Value::Env(variable),
    };
    proto::Header { name: header.name.clone(), prefix: header.prefix.clone(), value: Some(value) }
}

fn header_of(header: proto::Header) -> Result<HeaderConfig, DecodeError> {
    let value = match required("sensors.headers.value", header.value)? {
        header::Value::Plain(text) => HeaderValue::Plain(text),
        header::Value::File(path) => HeaderValue::File(path),
        header::Value::Env(variable) => HeaderValue::Env(variable),
    };
    Ok(HeaderConfig { name: header.name, prefix: header.prefix, value })
}

fn schedule_to(schedule: &ScheduleConfig) -> proto::ScheduleSensor {
    let missed = match schedule.missed {
        Missed::Skip => proto::Missed::Skip,
        Missed::Once => proto::Missed::Once,
        Missed::All => proto::Missed::All,
    };
    proto::ScheduleSensor {
        kind: schedule.kind.to_string(),
        cron: schedule.cron.clone(),
        zone: schedule.zone.clone(),
        key: schedule.key.to_string(),
        payload: schedule.payload.clone(),
        missed: missed.into(),
        late_ms: millis(schedule.late),
        held_max: schedule.held_max,
        cap_day: schedule.cap_day,
    }
}

fn schedule_of(schedule: proto::ScheduleSensor) -> Result<ScheduleConfig, DecodeError> {
    let missed = match proto::Missed::try_from(schedule.missed) {
        Ok(proto::Missed::Unspecified | proto::Missed::Skip) => Missed::Skip,
        Ok(proto::Missed::Once) => Missed::Once,
        Ok(proto::Missed::All) => Missed::All,
        Err(_) => return Err(unknown("sensors.missed", schedule.missed)),
    };
    Ok(ScheduleConfig {
        kind: parse("sensors.kind", &schedule.kind)?,
        cron: schedule.cron,
        zone: schedule.zone,
        key: parse("sensors.key", &schedule.key)?,
        payload: schedule.payload,
        missed,
        late: Duration::from_millis(schedule.late_ms),
        held_max: schedule.held_max,
        cap_day: schedule.cap_day,
    })
}

pub(super) fn while_closed_to(rule: WhileClosed) -> i32 {
    let rule = match rule {
        WhileClosed::Hold => proto::WhileClosed::Hold,
        WhileClosed::Drop => proto::WhileClosed::Drop,
        WhileClosed::Collapse => proto::WhileClosed::Collapse,
    };
    rule.into()
}

pub(super) fn while_closed_of(rule: i32) -> Result<WhileClosed, DecodeError> {
    match proto::WhileClosed::try_from(rule) {
        Ok(proto::WhileClosed::Unspecified | proto::WhileClosed::Hold) => Ok(WhileClosed::Hold),
        Ok(proto::WhileClosed::Drop) => Ok(WhileClosed::Drop),
        Ok(proto::WhileClosed::Collapse) => Ok(WhileClosed::Collapse),
        Err(_) => Err(unknown("kinds.while_closed", rule)),
    }
}

impl Wire for Firings {
    type Proto = proto::Firings;

    fn to_proto(&self) -> proto::Firings {
        let owed = |owed: &Owed| proto::Owed { at_ms: owed.at.as_millis(), token: owed.token };
        proto::Firings {
            sensor: self.sensor.to_string(),
            version: self.version,
            rule: self.rule.clone(),
            until_ms: self.until.as_millis(),
            owed: self.owed.iter().map(owed).collect(),
            untold: self.untold.iter().map(unfired_to).collect(),
        }
    }

    fn of_proto(firings: proto::Firings) -> Result<Self, DecodeError> {
        let owed = |owed: proto::Owed| Owed { at: at(owed.at_ms), token: owed.token };
        Ok(Firings {
            sensor: parse("sensor", &firings.sensor)?,
            version: firings.version,
            rule: firings.rule,
            until: at(firings.until_ms),
            owed: firings.owed.into_iter().map(owed).collect(),
            untold: firings.untold.into_iter().map(unfired_of).collect::<Result<_, _>>()?,
        })
    }
}

fn unfired_to(unfired: &Unfired) -> proto::Unfired {
    let fate = match unfired.fate {
        Fate::Missed => proto::Fate::Missed,
        Fate::Dropped => proto::Fate::Dropped,
        Fate::Collapsed => proto::Fate::Collapsed,
        Fate::Overflowed => proto::Fate::Overflowed,
    };
    proto::Unfired {
        fate: fate.into(),
        count: unfired.count,
        first_ms: unfired.first.as_millis(),
        last_ms: unfired.last.as_millis(),
    }
}

fn unfired_of(unfired: proto::Unfired) -> Result<Unfired, DecodeError> {
    let fate = match proto::Fate::try_from(unfired.fate) {
        Ok(proto::Fate::Missed) => Fate::Missed,
        Ok(proto::Fate::Dropped) => Fate::Dropped,
        Ok(proto::Fate::Collapsed) => Fate::Collapsed,
        Ok(proto::Fate::Overflowed) => Fate::Overflowed,
        Ok(proto::Fate::Unspecified) | Err(_) => return Err(unknown("untold.fate", unfired.fate)),
    };
    let (first, last) = (at(unfired.first_ms), at(unfired.last_ms));
    Ok(Unfired { fate, count: unfired.count, first, last })
}

const fn unknown(field: &'static str, value: i32) -> DecodeError {
    DecodeError::Unknown { field, value }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_back(config: SensorConfig) {
        let name: SensorName = "tickets".parse().unwrap();
        let (read_name, read) = sensor_of(sensor_to(&name, &config)).unwrap();
        assert_eq!((read_name, read), (name, config));
    }

    /// What one sensor is told, another version of the program reads as it was written.
    #[test]
    fn sensors_read_back() {
        let header = |name: &str, value| HeaderConfig {
            name: name.to_owned(),
            prefix: "Bearer ".to_owned(),
            value,
        };
        read_back(SensorConfig::Http(HttpConfig {
            kind: "ticket".parse().unwrap(),
            url: "https://tickets.example/list".to_owned(),
            items: "/data/items".to_owned(),
            next: Some("/data/next".to_owned()),
            key: "ticket/{id}".parse().unwrap(),
            payload: Some("{\"id\": \"{id}\"}".to_owned()),
            every: Duration::from_secs(60),
            cap_cycle: 3,
            cap_day: 50,
            headers: vec![
                header("a", HeaderValue::Plain("x".to_owned())),
                header("b", HeaderValue::File("/run/secrets/x".to_owned())),
                header("c", HeaderValue::Env("X".to_owned())),
            ],
        }));
        for missed in Missed::ALL {
            read_back(SensorConfig::Schedule(ScheduleConfig {
                kind: "nightly".parse().unwrap(),
                cron: "0 3 * * *".to_owned(),
                zone: "Europe/Zurich".to_owned(),
                key: "nightly/{date}".parse().unwrap(),
                payload: "{}".to_owned(),
                missed,
                late: Duration::from_secs(60),
                held_max: 100,
                cap_day: u32::MAX,
            }));
        }
        for rule in WhileClosed::ALL {
            assert_eq!(while_closed_of(while_closed_to(rule)).unwrap(), rule);
        }
        assert!(while_closed_of(9).is_err());
    }

    /// The record of a schedule's firings survives the journey, every fate of them.
    #[test]
    fn firings_read_back() {
        let unfired = |fate| Unfired { fate, count: 2, first: at(1), last: at(60_001) };
        let fates = [Fate::Missed, Fate::Dropped, Fate::Collapsed, Fate::Overflowed];
        let firings = Firings {
            sensor: "nightly".parse().unwrap(),
            version: 7,
            rule: "0 3 * * * UTC".to_owned(),
            until: at(90_000),
            owed: vec![Owed { at: at(80_000), token: 0 }, Owed { at: at(90_000), token: 12 }],
            untold: fates.map(unfired).to_vec(),
        };
        assert_eq!(Firings::decode(&firings.encode()).unwrap(), firings);
    }
}
