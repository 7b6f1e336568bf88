use std::{fs, path::PathBuf, time::Duration};

use super::*;
use crate::doctor::{
    ask::script::{Script, json},
    check::Verdict,
};

const LIST: &str = r#"{"items": [{"id": 7}, {"id": 8}]}"#;

fn config(url: &str, headers: Vec<HeaderConfig>) -> HttpConfig {
    HttpConfig {
        kind: "ticket".parse().unwrap(),
        url: format!("{url}/tickets"),
        items: "/items".to_owned(),
        next: None,
        key: "ticket/{id}".parse().unwrap(),
        payload: None,
        every: Duration::from_secs(60),
        cap_cycle: 1,
        cap_day: 1,
        headers,
    }
}

fn bearer(value: Value) -> HeaderConfig {
    HeaderConfig { name: "authorization".to_owned(), prefix: "Bearer ".to_owned(), value }
}

/// A file with this text, of this test alone.
fn held(name: &str, text: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("doctor-list-{}-{name}", std::process::id()));
    fs::write(&path, text).unwrap();
    path
}

#[track_caller]
fn ends(check: &Check, verdict: Verdict, part: &str) {
    let all = format!("{} {}", check.measured, check.remedy);
    assert!(check.verdict == verdict && all.contains(part), "{part:?}: {check:?}");
}

/// Each list of the configuration is asked for once, with its headers as they are now and in
/// the sensor's name; what a service repeats of a secret is not shown.
#[tokio::test]
async fn asks_as_the_sensor_does() {
    let served = Script::start(|head| match head.contains("authorization: Bearer s3cret\r\n") {
        true => json("200 OK", LIST),
        false => json("401 Unauthorized", head.lines().nth(1).unwrap_or_default()),
    });
    let path = held("token", "s3cret\n");
    let header = bearer(Value::File(path.display().to_string()));
    let list = SensorConfig::Http(config(&served.url, vec![header.clone()]));
    let sensors = [("tickets".parse().unwrap(), list)].into();
    let all = checks(&Config { sensors, ..Config::default() }).await;
    assert_eq!(all.len(), 1);
    ends(&all[0], Verdict::Ok, "2 items, the first source key is ticket/7");
    let asked = served.asked();
    assert_eq!(asked.len(), 1);
    let begins = format!("user-agent: {NAME}\r\n");
    assert!(asked[0].starts_with("GET /tickets ") && asked[0].contains(&begins), "{asked:?}");

    let repeats = Script::start(|head| {
        let sent = head.lines().find(|line| line.starts_with("authorization")).unwrap_or_default();
        json("403 Forbidden", &format!("{{\"you\": \"{sent}\"}}"))
    });
    let check = check("tickets", &config(&repeats.url, vec![header])).await;
    ends(&check, Verdict::Fail, "Bearer …");
    assert!(!format!("{check:?}").contains("s3cret"), "{check:?}");
    fs::remove_file(path).unwrap();
}

/// Secrets stay with the configured host: what leads elsewhere is not followed, what leads on
/// within it is.
#[tokio::test]
async fn follows_on_one_host_alone() {
    let other = Script::start(|_| json("200 OK", LIST));
    let target = format!("location: {}/tickets\r\n", other.url);
    let leads = Script::start(move |head| match head {
        _ if head.starts_with("GET /tickets ") => ("302 Found", target.clone(), String::new()),
        _ if head.starts_with("GET /moved ") => json("200 OK", LIST),
        _ => ("302 Found", "location: /moved\r\n".to_owned(), String::new()),
    });
    let astray = check("tickets", &config(&leads.url, Vec::new())).await;
    ends(&astray, Verdict::Fail, "redirects to another host");
    assert_eq!(other.asked().len(), 0);
    let near = HttpConfig { url: format!("{}/here", leads.url), ..config("", Vec::new()) };
    ends(&check("tickets", &near).await, Verdict::Ok, "ticket/7");
}

/// Whatever comes back, or nothing at all, ends in a line; without its secret a list is not
/// asked for.
#[tokio::test]
async fn whatever_comes_back() {
    let huge = Script::start(|_| json("200 OK", &" ".repeat(PAGE_MAX + 1)));
    ends(&check("x", &config(&huge.url, Vec::new())).await, Verdict::Fail, "sends more than");
    let html = Script::start(|_| json("200 OK", "<html>"));
    ends(&check("x", &config(&html.url, Vec::new())).await, Verdict::Fail, "no JSON");
    let nobody = config("http://127.0.0.1:1", Vec::new());
    ends(&check("x", &nobody).await, Verdict::Fail, "no answer: ");
    let nowhere = HttpConfig { url: "nowhere".to_owned(), ..nobody };
    ends(&check("x", &nowhere).await, Verdict::Fail, "no URL");

    let served = Script::start(|_| json("200 OK", LIST));
    let unset = bearer(Value::Env("PORTCULLIS_NO_SUCH_VARIABLE".to_owned()));
    let unset = check("x", &config(&served.url, vec![unset])).await;
    ends(&unset, Verdict::Warn, "PORTCULLIS_NO_SUCH_VARIABLE, for `authorization`, is not set");
    let empty = held("empty", " \n");
    let blank = bearer(Value::File(empty.display().to_string()));
    let blank = check("x", &config(&served.url, vec![blank])).await;
    ends(&blank, Verdict::Warn, "is empty");
    fs::remove_file(empty).unwrap();
    assert_eq!(served.asked().len(), 0);
}
