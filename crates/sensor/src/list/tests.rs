use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderMap as Headers, Response as Answer},
};
use kit::Tasks;
use logic::sensor::{Cycle, Decided, Lookup, Plan, Stop, Verdict};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::walk::{Desk, walk};

/// What was asked: the path with its query, and the headers.
type Asked = Arc<Mutex<Vec<(String, Headers)>>>;

/// A server and what was asked of it; it ends with the test.
struct Served {
    base: String,
    asked: Asked,
    _tasks: Tasks,
}

/// Serves whatever `answer` makes of a path and its headers.
async fn serve(answer: impl Fn(&str, &Headers) -> Answer<Body> + Send + Sync + 'static) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let asked = Asked::default();
    let (seen, answer) = (asked.clone(), Arc::new(answer));
    let app = Router::new().fallback(async move |request: Request| {
        let path = request.uri().path_and_query().unwrap().to_string();
        let answered = answer(&path, request.headers());
        seen.lock().unwrap().push((path, request.headers().clone()));
        answered
    });
    let mut tasks = Tasks::new();
    tasks.spawn(async move { axum::serve(listener, app).await.unwrap() });
    Served { base, asked, _tasks: tasks }
}

fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer<Body> {
    let mut built = Answer::builder().status(status);
    for (name, value) in headers {
        built = built.header(*name, *value);
    }
    built.body(body.into()).unwrap()
}

fn config(url: &str) -> HttpConfig {
    HttpConfig {
        kind: "ticket".parse().unwrap(),
        url: url.to_owned(),
        items: "/items".to_owned(),
        next: Some("/next".to_owned()),
        key: "ticket/{id}".parse().unwrap(),
        payload: Some(r#"{"title": "{title}"}"#.to_owned()),
        every: Duration::from_secs(60),
        cap_cycle: 100,
        cap_day: 100,
        headers: Vec::new(),
    }
}

/// A desk that creates whatever the cycle lets it, up to a cap.
#[derive(Default)]
struct Eager(Vec<(String, String)>);

impl Desk<SourceKey, Item> for Eager {
    async fn decide(
        &mut self,
        cycle: &mut Cycle<SourceKey>,
        about: SourceKey,
        work: &Item,
    ) -> Result<(), Stop> {
        let decided = cycle.weigh(&about, &Lookup::default(), &Verdict::Admits);
        if decided == Decided::Reserve && cycle.reserved(&about, true) == Decided::Create {
            cycle.answered(&about, logic::sensor::Answer::Created, &Verdict::Admits);
            self.0.push((about.to_string(), work.payload.clone()));
        }
        Ok(())
    }

    fn exhausted(&self) -> bool {
        false
    }
}

/// One cycle over `config`, remembering in `memory`: its report, what was made, and the oddity.
async fn cycle(
    config: &HttpConfig,
    memory: &mut Memory,
) -> (CycleReport, Vec<(String, String)>, Option<String>) {
    let mut list = List::new(config, 1, memory).unwrap();
    let plan = Plan { pages_max: 5, cap_cycle: config.cap_cycle, excluded: Default::default() };
    let (mut cycle, mut desk) = (Cycle::new(plan), Eager::default());
    let stop = walk(&mut list, &mut cycle, &mut desk, &CancellationToken::new()).await;
    let report = cycle.finish(stop);
    memory.learn(1, list.marks(), &report);
    (report, desk.0, list.odd().map(str::to_owned))
}

async fn once(config: &HttpConfig) -> (CycleReport, Vec<(String, String)>, Option<String>) {
    cycle(config, &mut Memory::default()).await
}

/// Each item of each page makes one task of its fields; odd ones are counted for what they are
/// and take no other along.
#[tokio::test]
async fn reads_the_items() {
    let served = serve(|path, _| {
        let body = match path {
            "/list" => json!({"next": "list?page=2", "items": [
                {"id": 1, "title": "one"}, {"id": 1, "title": "again"}, {"title": "no key"},
                {"id": 2.5, "title": "a float"}, {"id": "a\u{7}", "title": "control"}, {"id": 3},
                17, null, {"id": "x".repeat(600), "title": "huge"},
            ]}),
            _ => json!({"next": null, "items": [{"id": "four", "title": null}]}),
        };
        answer(200, &[], body.to_string())
    })
    .await;
    let (report, made, odd) = once(&config(&format!("{}/list", served.base))).await;
    let made: Vec<_> = made.iter().map(|(key, it)| (key.as_str(), it.as_str())).collect();
    assert_eq!(made, [("ticket/1", r#"{"title":"one"}"#), ("ticket/four", r#"{"title":null}"#)]);
    assert_eq!((report.seen, report.pages, &report.stop), (10, 2, &Stop::End), "{report}");
    let skipped = |word: &str| {
        report.skipped.iter().find(|(reason, _)| reason.word() == word).map_or(0, |(_, n)| *n)
    };
    assert_eq!(
        ["no key", "bad key", "bad payload", "repeated"].map(skipped),
        [4, 2, 1, 1],
        "{report}"
    );
    assert_eq!(odd.unwrap(), "item 3 has no field `id`, which its source key is made of");
    assert_eq!(served.asked.lock().unwrap()[1].0, "/list?page=2");
}

/// A list that was read to its end is asked for by what has changed; one of which something was
/// left over is read in full, or the rest would be lost.
#[tokio::test]
async fn asks_for_what_has_changed() {
    let served = serve(|_, headers| {
        let marks = [("etag", "\"v1\""), ("last-modified", "Sat, 21 Nov 2026 08:00:00 GMT")];
        match headers.contains_key("if-none-match") {
            true => answer(304, &marks, ""),
            false => {
                let items = json!({"items": [{"id": 1, "title": "a"}, {"id": 2, "title": "b"}]});
                answer(200, &marks, items.to_string())
            }
        }
    })
    .await;
    let mut capped = config(&served.base);
    capped.cap_cycle = 1;
    let mut memory = Memory::default();
    let (report, made, _) = cycle(&capped, &mut memory).await;
    assert_eq!((made.len(), report.leaves_over()), (1, true), "{report}");
    let whole = config(&served.base);
    let (report, made, _) = cycle(&whole, &mut memory).await;
    assert_eq!((made.len(), report.leaves_over()), (2, false), "not asked in full: {report}");
    for _ in 0..2 {
        let (report, made, _) = cycle(&whole, &mut memory).await;
        assert_eq!((made.len(), &report.stop), (0, &Stop::Unchanged), "{report}");
    }
    let asked = served.asked.lock().unwrap();
    let conditional: Vec<bool> =
        asked.iter().map(|(_, headers)| headers.contains_key("if-none-match")).collect();
    assert_eq!(conditional, [false, false, true, true]);
    assert_eq!(asked[3].1["if-modified-since"], "Sat, 21 Nov 2026 08:00:00 GMT");
}

/// What cannot be read ends the cycle with what it was and where to look, and with the wait that
/// was asked for.
#[tokio::test]
async fn garbage_is_told() {
    let check = async |status, headers: &'static [(&str, &str)], body: String, says: &str| {
        let served = serve(move |_, _| answer(status, headers, body.clone())).await;
        let (report, made, _) = once(&config(&served.base)).await;
        let told = report.to_string();
        assert!(told.contains(says) && made.is_empty(), "{told}");
        report.retry_after()
    };
    check(200, &[("content-type", "text/html")], "<html>".into(), "sent as \"text/html\"").await;
    check(200, &[], String::new(), "read the list as JSON").await;
    check(200, &[], "{\"items\": [".into(), "read the list as JSON").await;
    check(200, &[], "[".repeat(100_000), "read the list as JSON").await;
    check(200, &[], "{\"data\": []}".into(), "nothing at `/items`").await;
    check(200, &[], "{\"items\": {}}".into(), "an object at `/items`, not a list").await;
    check(200, &[], "{\"items\": [], \"next\": 7}".into(), "a number at `/next`").await;
    let elsewhere = "{\"items\": [], \"next\": \"http://127.0.0.2:1/\"}";
    check(200, &[], elsewhere.into(), "on another host").await;
    check(200, &[], format!("[{}1]", "1,".repeat(2_200_000)), "more than 4194304 bytes").await;
    check(304, &[], String::new(), "answered 304").await;
    check(401, &[], String::new(), "answered 401").await;
    check(404, &[], String::new(), "answered 404").await;
    check(500, &[], String::new(), "answered 500").await;
    let wait = check(429, &[("retry-after", "70")], String::new(), "answered 429").await;
    assert_eq!(wait, Some(Duration::from_secs(70)));
    let wait = check(503, &[("retry-after", "99999999")], String::new(), "in 3600 s").await;
    assert_eq!(wait, Some(Duration::from_secs(3_600)));
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (report, _, _) = once(&config(&format!("http://{gone}/"))).await;
    assert!(report.to_string().contains("ask for the list"), "{report}");
}

/// A header is secret and goes to the host that was configured, through a redirect within it,
/// and to no other.
#[tokio::test]
async fn secrets_stay_at_home() {
    let thief = serve(|_, _| answer(200, &[], "{\"items\": []}")).await;
    let to = format!("{}/list", thief.base);
    let served = serve(move |path, _| match path {
        "/near" => answer(302, &[("location", "/list")], ""),
        "/far" => answer(302, &[("location", to.as_str())], ""),
        "/round" => answer(302, &[("location", "/round")], ""),
        _ => answer(200, &[], json!({"items": [{"id": 1, "title": "a"}]}).to_string()),
    })
    .await;
    let ask = async |path: &str| {
        let mut config = config(&format!("{}{path}", served.base));
        config.headers = vec![domain::HeaderConfig {
            name: "x-api-key".to_owned(),
            prefix: String::new(),
            value: domain::HeaderValue::Plain("s3cret".to_owned()),
        }];
        once(&config).await.0
    };
    assert_eq!(ask("/near").await.created, 1);
    assert_eq!(served.asked.lock().unwrap()[1].1["x-api-key"], "s3cret");
    for path in ["/far", "/round"] {
        let report = ask(path).await.to_string();
        assert!(report.contains("put the URL") && !report.contains("s3cret"), "{report}");
    }
    assert!(thief.asked.lock().unwrap().is_empty(), "another host was asked");
}
