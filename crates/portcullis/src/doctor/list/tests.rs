use std::time::Duration;

use serde_json::json;

use super::*;
use crate::doctor::{answer::json as says, check::Verdict};

fn config() -> HttpConfig {
    HttpConfig {
        kind: "ticket".parse().unwrap(),
        url: "http://l/tickets".to_owned(),
        items: "/items".to_owned(),
        next: Some("/next".to_owned()),
        key: "ticket/{id}".parse().unwrap(),
        payload: Some(r#"{"title": "{title}"}"#.to_owned()),
        every: Duration::from_secs(60),
        cap_cycle: 1,
        cap_day: 1,
        headers: Vec::new(),
    }
}

#[track_caller]
fn ends(said: Said<Answer>, verdict: Verdict, parts: &[&str]) {
    ends_of(&judge("tickets", &config(), &Page::Asked(said)), verdict, parts);
}

#[track_caller]
fn ends_of(check: &Check, verdict: Verdict, parts: &[&str]) {
    assert_eq!((check.verdict, check.name.as_str()), (verdict, "list tickets"), "{check:?}");
    let all = format!("{} {}", check.measured, check.remedy);
    for part in parts {
        assert!(all.contains(part), "{part:?} is not in {check:?}");
    }
    assert_eq!(verdict == Verdict::Ok, check.remedy.is_empty(), "{check:?}");
}

fn items(items: Value) -> Said<Answer> {
    says(200, json!({ "items": items, "next": null }))
}

/// A list whose items make tasks is told with how many there are and the first source key;
/// items that make none, or the same task, are told too.
#[test]
fn lists_that_can_be_read() {
    let good = json!([{ "id": 7, "title": "a" }, { "id": 8, "title": "b" }]);
    ends(items(good), Verdict::Ok, &["2 items", "first source key is ticket/7", "12 ms"]);
    let mixed = json!([17, { "id": 8, "title": "b" }, { "title": "c" }]);
    let parts = ["3 items", "ticket/8", "2 make no task: item 1 has no field `id`"];
    ends(items(mixed), Verdict::Warn, &parts);
    let same = json!([{ "id": 7, "title": "a" }, { "id": 7, "title": "b" }]);
    ends(items(same), Verdict::Warn, &["only 1 different"]);
    ends(items(json!([])), Verdict::Warn, &["is empty", "[sensors.tickets.http]"]);
}

/// A list of which the sensor's cycle would make nothing fails, with the setting to correct.
#[test]
fn lists_that_make_nothing() {
    let keyless = items(json!([{ "ID": 7, "title": "a" }]));
    ends(keyless, Verdict::Fail, &["none of 1 items", "no field `id`", "correct `key`"]);
    let bare = items(json!([{ "id": 7 }]));
    ends(bare, Verdict::Fail, &["no field `title`, which its payload"]);
    let elsewhere = says(200, json!({ "tickets": [], "total": 0 }));
    let parts = ["nothing at `/items`", "correct `items` (the answer has /tickets, /total)"];
    ends(elsewhere, Verdict::Fail, &parts);
    ends(items(json!({ "id": 7 })), Verdict::Fail, &["an object at `/items`"]);
    ends(says(200, json!([1])), Verdict::Fail, &["nothing at `/items`"]);
    let next = |next: Value| says(200, json!({ "items": [], "next": next }));
    ends(next(json!(7)), Verdict::Fail, &["a number at `/next`", "correct `next`"]);
    ends(next(json!("http://other/")), Verdict::Fail, &["another host"]);
    ends(next(json!("http://[")), Verdict::Fail, &["no URL at `/next`"]);
    ends(next(json!("?page=2")), Verdict::Warn, &["is empty"]);
    let config = HttpConfig { payload: Some("{".to_owned()), ..config() };
    let check = judge("tickets", &config, &Page::Asked(items(json!([]))));
    ends_of(&check, Verdict::Fail, &["`payload`: read it as JSON", "correct `payload`"]);
}

/// What does not answer, or answers something else than JSON, is told with how to ask it; a
/// header that cannot be had here is no fault of the list.
#[test]
fn lists_that_cannot_be_read() {
    ends(says(401, json!({ "error": "who?" })), Verdict::Fail, &["answers 401", "`headers`"]);
    ends(says(500, Value::Null), Verdict::Fail, &["answers 500", "curl 'http://l/tickets'"]);
    let html = Answer { status: 200, text: "<html>\u{7}".to_owned(), ..Answer::default() };
    ends(Ok(html), Verdict::Fail, &["<html>: that is no JSON"]);
    ends(Err("no answer: refused".to_owned()), Verdict::Fail, &["no answer: refused"]);
    let unasked = Page::Unasked("variable T is not set".to_owned());
    let check = judge("tickets", &config(), &unasked);
    ends_of(&check, Verdict::Warn, &["variable T is not set", "where `sensor` runs"]);
}
